package returnwatch.peers;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.utils.Bytes;

/** Open orders by deadline, in memory, in buckets of 100 ms; made again from the store. */
final class Deadlines {
    private static final long BUCKET_MS = 100;
    private final TreeMap<Long, Map<Bytes, Long>> buckets = new TreeMap<>();

    void add(Bytes order, long deadline) {
        buckets.computeIfAbsent(deadline / BUCKET_MS, at -> new HashMap<>()).put(order, deadline);
    }

    void remove(Bytes order, long deadline) {
        Map<Bytes, Long> bucket = buckets.get(deadline / BUCKET_MS);
        if (bucket != null) {
            bucket.remove(order);
        }
    }

    /** Takes out those whose deadline is before `to`. */
    List<Bytes> due(long to) {
        List<Bytes> due = new ArrayList<>();
        while (!buckets.isEmpty() && buckets.firstKey() * BUCKET_MS < to) {
            Map<Bytes, Long> bucket = buckets.firstEntry().getValue();
            bucket.entrySet()
                    .removeIf(entry -> entry.getValue() < to && due.add(entry.getKey()));
            if (!bucket.isEmpty()) {
                break;
            }
            buckets.pollFirstEntry();
        }
        return due;
    }
}
