package returnwatch.peers;

import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkGeneratorSupplier;
import org.apache.flink.api.common.eventtime.WatermarkOutput;

/**
 * The watermark of one partition: its records' time, and the wall clock's where all are silent.
 *
 * <p>Flink takes the lowest of all partitions. Without the wall clock the last orders of a topic
 * would never be told.
 */
final class LogTime implements WatermarkGenerator<Step> {
    private final Silence silence;
    private long seen = Long.MIN_VALUE + 1;
    private boolean read;

    private LogTime(Silence silence) {
        this.silence = silence;
    }

    /** One for each source reader, which asks it for one generator a partition. */
    static final class Supplier implements WatermarkGeneratorSupplier<Step> {
        private static final long serialVersionUID = 1;
        private transient Silence silence;

        @Override
        public WatermarkGenerator<Step> createWatermarkGenerator(Context context) {
            if (silence == null) {
                silence = new Silence();
            }
            return new LogTime(silence);
        }
    }

    @Override
    public void onEvent(Step step, long timestamp, WatermarkOutput output) {
        seen = Math.max(seen, timestamp);
        read = true;
    }

    @Override
    public void onPeriodicEmit(WatermarkOutput output) {
        long nowMs = System.currentTimeMillis();
        if (read) {
            read = false;
            silence.breakAt(nowMs);
        } else if (silence.lastsAt(nowMs)) {
            seen = Math.max(seen, nowMs - Silence.GRACE_MS);
        }
        output.emitWatermark(new Watermark(seen - 1));
    }
}
