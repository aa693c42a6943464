package returnwatch.peers;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;

/** What is kept of an order until its return: enough for its alert, and its bytes. */
public class OpenOrder {
    public long deadline;
    public long submittedAt;
    public long withinMs;
    public int attempt;
    public int partition;
    public long offset;
    public long amountMinor;
    public String currency; // Null where there is no amount.
    public String kind;
    public String provider;
    public String merchant;
    public String player;

    public static OpenOrder of(Event event) {
        OpenOrder order = new OpenOrder();
        order.deadline = event.deadline();
        order.submittedAt = event.submittedAt;
        order.withinMs = event.within();
        order.attempt = event.attempt == null ? 1 : event.attempt;
        order.partition = event.partition;
        order.offset = event.offset;
        order.amountMinor = event.amountMinor == null ? 0 : event.amountMinor;
        order.currency = event.currency;
        order.kind = event.kind;
        order.provider = event.provider;
        order.merchant = event.merchant;
        order.player = event.player;
        return order;
    }

    /** The deadline comes first, so that it can be read alone. */
    public byte[] pack() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(96);
        DataOutputStream out = new DataOutputStream(bytes);
        try {
            out.writeLong(deadline);
            out.writeLong(submittedAt);
            out.writeLong(withinMs);
            out.writeByte(attempt);
            out.writeInt(partition);
            out.writeLong(offset);
            out.writeLong(amountMinor);
            for (String text : new String[] {currency, kind, provider, merchant, player}) {
                out.writeUTF(text == null ? "" : text);
            }
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        return bytes.toByteArray();
    }

    public static OpenOrder unpack(byte[] packed) {
        DataInputStream in = new DataInputStream(new ByteArrayInputStream(packed));
        OpenOrder order = new OpenOrder();
        try {
            order.deadline = in.readLong();
            order.submittedAt = in.readLong();
            order.withinMs = in.readLong();
            order.attempt = in.readUnsignedByte();
            order.partition = in.readInt();
            order.offset = in.readLong();
            order.amountMinor = in.readLong();
            order.currency = text(in);
            order.kind = text(in);
            order.provider = text(in);
            order.merchant = text(in);
            order.player = text(in);
        } catch (IOException damaged) {
            throw new UncheckedIOException(damaged);
        }
        return order;
    }

    public static long deadlineOf(byte[] packed) {
        return ByteBuffer.wrap(packed).getLong();
    }

    private static String text(DataInputStream in) throws IOException {
        String text = in.readUTF();
        return text.isEmpty() ? null : text;
    }
}
