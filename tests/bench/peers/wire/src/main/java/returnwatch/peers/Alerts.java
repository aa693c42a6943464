package returnwatch.peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.UUID;

/** The alert that an order timed out, with Returnwatch's fields, order of fields and alert id. */
public final class Alerts {
    private static final JsonFactory JSON = new JsonFactory();
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);
    private static final UUID NAMESPACE_URL =
            UUID.fromString("6ba7b811-9dad-11d1-80b4-00c04fd430c8");

    private Alerts() {}

    public static byte[] timedOut(String orderId, OpenOrder order, String topic) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(512);
        try (JsonGenerator json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            json.writeStringField("alert_id", alertId(orderId, order).toString());
            json.writeStringField("type", "timed_out");
            json.writeStringField("severity", "critical");
            json.writeStringField("order_id", orderId);
            json.writeNumberField("attempt", order.attempt);
            json.writeStringField("kind", order.kind);
            json.writeStringField("provider", order.provider);
            json.writeStringField("merchant", order.merchant);
            json.writeStringField("player", order.player);
            if (order.currency == null) {
                json.writeNullField("amount_minor");
            } else {
                json.writeNumberField("amount_minor", order.amountMinor);
            }
            json.writeStringField("currency", order.currency);
            json.writeStringField("submitted_at", time(order.submittedAt));
            json.writeStringField("deadline", time(order.deadline));
            json.writeNumberField("return_within_ms", order.withinMs);
            json.writeStringField("rule", "default");
            json.writeObjectFieldStart("source");
            json.writeStringField("topic", topic);
            json.writeNumberField("partition", order.partition);
            json.writeNumberField("offset", order.offset);
            json.writeEndObject();
            json.writeNullField("interim");
            json.writeNullField("older");
            json.writeNullField("unreadable");
            json.writeEndObject();
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        return bytes.toByteArray();
    }

    private static String time(long ms) {
        return TIME.format(Instant.ofEpochMilli(ms));
    }

    /** A UUID of version 5. */
    private static UUID alertId(String orderId, OpenOrder order) {
        String name =
                "returnwatch:timed_out:" + orderId + ":" + order.attempt + ":" + order.deadline;
        try {
            MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
            ByteBuffer space = ByteBuffer.allocate(16);
            space.putLong(NAMESPACE_URL.getMostSignificantBits());
            space.putLong(NAMESPACE_URL.getLeastSignificantBits());
            sha1.update(space.array());
            ByteBuffer hash = ByteBuffer.wrap(sha1.digest(name.getBytes(StandardCharsets.UTF_8)));
            long high = hash.getLong() & ~0xF000L | 0x5000L;
            long low = hash.getLong() & 0x3FFFFFFFFFFFFFFFL | 0x8000000000000000L;
            return new UUID(high, low);
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
