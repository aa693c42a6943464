package returnwatch.peers;

import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;

/**
 * The watermark of one partition: its records' time, and the wall clock's where it is silent.
 *
 * <p>Flink takes the lowest of all partitions. Without the wall clock the last orders of a topic
 * would never be told.
 */
final class LogTime implements WatermarkGenerator<Event> {
    private static final long IDLE_MS = 5_000;
    private static final long GRACE_MS = 1_000;
    private long seen = Long.MIN_VALUE + 1;
    private boolean read;
    private long readAtMs = System.currentTimeMillis();

    @Override
    public void onEvent(Event event, long timestamp, WatermarkOutput output) {
        seen = Math.max(seen, timestamp);
        read = true;
    }

    @Override
    public void onPeriodicEmit(WatermarkOutput output) {
        long nowMs = System.currentTimeMillis();
        if (read) {
            read = false;
            readAtMs = nowMs;
        } else if (nowMs - readAtMs > IDLE_MS) {
            seen = Math.max(seen, nowMs - GRACE_MS);
        }
        output.emitWatermark(new Watermark(seen - 1));
    }
}
