package returnwatch.peers;

/**
 * What goes from the source to the watch: few fields, because Flink writes and reads each of them
 * on the way. A POJO for Flink's serializer.
 */
public class Step {
    public String orderId;
    public byte[] opened; // The order of a submission, packed; null for a final return.

    public Step() {}

    Step(String orderId, byte[] opened) {
        this.orderId = orderId;
        this.opened = opened;
    }
}
