package returnwatch.peers;

/** A record on its way out; a POJO for Flink's serializer. */
public class Alert {
    public byte[] key;
    public byte[] value;

    public Alert() {}

    Alert(byte[] key, byte[] value) {
        this.key = key;
        this.value = value;
    }
}
