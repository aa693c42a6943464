package returnwatch.peers;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Keeps the open orders of one partition of both topics and forwards an alert for each that is due.
 *
 * <p>Kafka Streams merges a task's topics by timestamp, so stream time is both topics'. Where all
 * is silent the wall clock takes over.
 */
final class Watch implements Processor<byte[], byte[], byte[], byte[]> {
    static final String STORE = "orders";
    private static final Duration EVERY = Duration.ofSeconds(1);
    private static final byte[] RETURNED_FIRST = new byte[0];

    private final String submittedTopic;
    private final EventReader reader;
    private final Silence silence;
    private final Deadlines deadlines = new Deadlines();
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<Bytes, byte[]> orders;

    /** `reader` and `silence` are one for all tasks of the thread. */
    Watch(String submittedTopic, EventReader reader, Silence silence) {
        this.submittedTopic = submittedTopic;
        this.reader = reader;
        this.silence = silence;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> given) {
        context = given;
        orders = context.getStateStore(STORE);
        try (KeyValueIterator<Bytes, byte[]> all = orders.all()) {
            while (all.hasNext()) {
                KeyValue<Bytes, byte[]> order = all.next();
                if (order.value.length > 0) {
                    deadlines.add(order.key, OpenOrder.deadlineOf(order.value));
                }
            }
        }
        context.schedule(EVERY, PunctuationType.STREAM_TIME, this::tell);
        context.schedule(EVERY, PunctuationType.WALL_CLOCK_TIME, this::tellWhereSilent);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        silence.breakAt(context.currentSystemTimeMs());
        RecordMetadata at = context.recordMetadata().orElseThrow();
        boolean submission = at.topic().equals(submittedTopic);
        Event event = reader.read(submission, record.key(), record.value(), record.timestamp());
        if (event == null) {
            return;
        }
        Bytes order = Bytes.wrap(record.key());
        if (submission) {
            event.partition = at.partition();
            event.offset = at.offset();
            open(order, event);
        } else if (event.isFinal()) {
            close(order);
        }
    }

    private void open(Bytes order, Event event) {
        byte[] known = orders.get(order);
        if (known == null) {
            OpenOrder opened = OpenOrder.of(event);
            orders.put(order, opened.pack());
            deadlines.add(order, opened.deadline);
        } else if (known.length == 0) {
            orders.delete(order);
        }
    }

    private void close(Bytes order) {
        byte[] known = orders.get(order);
        if (known == null) {
            orders.put(order, RETURNED_FIRST);
        } else if (known.length > 0) {
            orders.delete(order);
            deadlines.remove(order, OpenOrder.deadlineOf(known));
        }
    }

    private void tellWhereSilent(long nowMs) {
        if (silence.lastsAt(nowMs)) {
            tell(nowMs - Silence.GRACE_MS);
        }
    }

    private void tell(long toMs) {
        for (Bytes order : deadlines.due(toMs)) {
            OpenOrder due = OpenOrder.unpack(orders.delete(order));
            String orderId = new String(order.get(), StandardCharsets.UTF_8);
            byte[] alert = Alerts.timedOut(orderId, due, submittedTopic);
            context.forward(new Record<>(order.get(), alert, toMs));
        }
    }
}
