package returnwatch.peers;

import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Keeps an order while it is open, with a timer at its deadline. */
final class Watch extends KeyedProcessFunction<String, Event, Alert> {
    private static final long serialVersionUID = 1;
    private static final OpenOrder RETURNED_FIRST = new OpenOrder(); // Its deadline is 0.

    private final String submittedTopic;
    private transient ValueState<OpenOrder> orders;

    Watch(String submittedTopic) {
        this.submittedTopic = submittedTopic;
    }

    @Override
    public void open(OpenContext context) {
        orders =
                getRuntimeContext().getState(new ValueStateDescriptor<>("orders", OpenOrder.class));
    }

    @Override
    public void processElement(Event event, Context context, Collector<Alert> out)
            throws Exception {
        if (event.submission) {
            open(event, context);
        } else if (event.isFinal()) {
            close(context);
        }
    }

    private void open(Event event, Context context) throws Exception {
        OpenOrder known = orders.value();
        if (known == null) {
            OpenOrder opened = OpenOrder.of(event);
            orders.update(opened);
            context.timerService().registerEventTimeTimer(opened.deadline);
        } else if (known.deadline == 0) {
            orders.clear();
        }
    }

    private void close(Context context) throws Exception {
        OpenOrder known = orders.value();
        if (known == null) {
            orders.update(RETURNED_FIRST);
        } else if (known.deadline > 0) {
            orders.clear();
            context.timerService().deleteEventTimeTimer(known.deadline);
        }
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<Alert> out)
            throws Exception {
        OpenOrder due = orders.value();
        if (due != null && due.deadline == timestamp) {
            orders.clear();
            String orderId = context.getCurrentKey();
            byte[] key = orderId.getBytes(StandardCharsets.UTF_8);
            out.collect(new Alert(key, Alerts.timedOut(orderId, due, submittedTopic)));
        }
    }
}
