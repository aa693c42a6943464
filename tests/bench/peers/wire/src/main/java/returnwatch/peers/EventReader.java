package returnwatch.peers;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Set;

/**
 * Reads records: JSON with strict types, and the rules of the fields.
 *
 * <p>Prints the program's only line, `reading`, when the first record comes in. What cannot be read
 * is counted and dropped: the peers write no dead letters, which spares them work.
 */
public final class EventReader {
    public static final long WITHIN_MS = 30_000;
    private static final long YEAR_2000_MS = 946_684_800_000L;
    private static final long DAY_MS = 86_400_000;
    private static final Set<String> OUTCOMES =
            Set.of("accepted", "rejected", "cancelled", "pending", "error");
    private static final ObjectReader JSON =
            JsonMapper.builder()
                    .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
                    .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
                    .build()
                    .readerFor(Event.class);

    private boolean told;
    private long unreadable;

    /** Null where the record is no order event. */
    public Event read(boolean submission, byte[] key, byte[] value, long timestamp) {
        if (!told) {
            told = true;
            System.out.println("reading");
        }
        Event event = parse(value);
        if (event == null || !isRight(event, submission, key, timestamp)) {
            if (unreadable++ == 0) {
                System.err.println("an unreadable record was dropped; further ones are not told");
            }
            return null;
        }
        return event;
    }

    private static Event parse(byte[] value) {
        try {
            return value == null ? null : JSON.readValue(value);
        } catch (JsonProcessingException unreadable) {
            return null;
        } catch (IOException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static boolean isRight(Event event, boolean submission, byte[] key, long timestamp) {
        if (key == null || !isText(event.orderId, 128)) {
            return false;
        }
        if (!event.orderId.equals(new String(key, StandardCharsets.UTF_8))) {
            return false;
        }
        if (event.attempt != null && (event.attempt < 1 || event.attempt > 255)) {
            return false;
        }
        return submission
                ? isSubmission(event, timestamp)
                : isTime(event.returnedAt, timestamp)
                        && event.outcome != null
                        && OUTCOMES.contains(event.outcome);
    }

    private static boolean isSubmission(Event event, long timestamp) {
        return isTime(event.submittedAt, timestamp)
                && (event.returnWithinMs == null
                        || event.returnWithinMs >= 1 && event.returnWithinMs <= 30 * DAY_MS)
                && (event.amountMinor == null) == (event.currency == null)
                && (event.currency == null || isCurrency(event.currency))
                && (event.kind == null || isText(event.kind, 64))
                && (event.provider == null || isText(event.provider, 64))
                && (event.merchant == null || isText(event.merchant, 64))
                && (event.player == null || isText(event.player, 64));
    }

    private static boolean isTime(Long at, long timestamp) {
        return at != null && at >= YEAR_2000_MS && at <= timestamp + DAY_MS;
    }

    private static boolean isText(String text, int most) {
        return text != null && !text.isEmpty() && text.length() <= most;
    }

    private static boolean isCurrency(String text) {
        if (text.length() != 3) {
            return false;
        }
        for (int at = 0; at < 3; at++) {
            if (text.charAt(at) < 'A' || text.charAt(at) > 'Z') {
                return false;
            }
        }
        return true;
    }
}
