package returnwatch.peers;

import java.nio.charset.StandardCharsets;
import java.util.TreeMap;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.CheckpointListener;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Keeps an order while it is open, with a timer at its deadline.
 *
 * <p>Prints how many records stand in each checkpoint once it is complete. The group's offsets do
 * not tell it: Flink commits them when its fetcher next has time, 10 s later at the end of a log.
 */
final class Watch extends KeyedProcessFunction<String, Step, Alert>
        implements CheckpointedFunction, CheckpointListener {
    private static final long serialVersionUID = 1;
    private static final byte[] RETURNED_FIRST = new byte[0];

    private final String submittedTopic;
    private transient ValueState<byte[]> orders;
    private long read;
    private final TreeMap<Long, Long> readAt = new TreeMap<>(); // By checkpoint.

    Watch(String submittedTopic) {
        this.submittedTopic = submittedTopic;
    }

    @Override
    public void open(OpenContext context) {
        orders = getRuntimeContext().getState(new ValueStateDescriptor<>("orders", byte[].class));
    }

    @Override
    public void processElement(Step step, Context context, Collector<Alert> out)
            throws Exception {
        read++;
        if (step.opened != null) {
            open(step.opened, context);
        } else {
            close(context);
        }
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) {
        readAt.put(context.getCheckpointId(), read);
    }

    @Override
    public void initializeState(FunctionInitializationContext context) {}

    @Override
    public void notifyCheckpointComplete(long checkpoint) {
        Long committed = readAt.get(checkpoint);
        if (committed != null) {
            System.out.println("committed " + committed);
            readAt.headMap(checkpoint, true).clear();
        }
    }

    private void open(byte[] order, Context context) throws Exception {
        byte[] known = orders.value();
        if (known == null) {
            orders.update(order);
            context.timerService().registerEventTimeTimer(OpenOrder.deadlineOf(order));
        } else if (known.length == 0) {
            orders.clear();
        }
    }

    private void close(Context context) throws Exception {
        byte[] known = orders.value();
        if (known == null) {
            orders.update(RETURNED_FIRST);
        } else if (known.length > 0) {
            orders.clear();
            context.timerService().deleteEventTimeTimer(OpenOrder.deadlineOf(known));
        }
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<Alert> out)
            throws Exception {
        byte[] known = orders.value();
        if (known != null && known.length > 0) {
            orders.clear();
            OpenOrder due = OpenOrder.unpack(known);
            String orderId = context.getCurrentKey();
            byte[] key = orderId.getBytes(StandardCharsets.UTF_8);
            out.collect(new Alert(key, Alerts.timedOut(orderId, due, submittedTopic)));
        }
    }
}
