package returnwatch.peers;

/**
 * Whether nothing at all has been read for so long that the wall clock may take over.
 *
 * <p>Over all partitions of a reader: in a catch-up they take turns, and one that waits for its turn
 * is not silent. Used by one thread.
 */
public final class Silence {
    /** What the wall clock stands back: for records that are on their way. */
    public static final long GRACE_MS = 1_000;

    private static final long AFTER_MS = 5_000;
    private long brokenAtMs = System.currentTimeMillis();

    public void breakAt(long nowMs) {
        brokenAtMs = nowMs;
    }

    public boolean lastsAt(long nowMs) {
        return nowMs - brokenAtMs > AFTER_MS;
    }
}
