package returnwatch.peers;

import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** The order watch on Kafka Streams; one thread, until SIGTERM. */
public final class StreamsPeer {
    private StreamsPeer() {}

    public static void main(String[] args) throws InterruptedException {
        Arguments arguments = new Arguments(args);
        KafkaStreams streams = new KafkaStreams(topology(arguments), settings(arguments));
        CountDownLatch ended = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(
                error -> {
                    error.printStackTrace();
                    ended.countDown();
                    return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
                });
        Runtime.getRuntime()
                .addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
        streams.start();
        ended.await(); // Only an error ends it; SIGTERM runs the hook.
        System.exit(1);
    }

    private static Topology topology(Arguments arguments) {
        String submitted = arguments.get("submitted");
        EventReader reader = new EventReader(); // There is one thread.
        Silence silence = new Silence();
        ByteArrayDeserializer read = new ByteArrayDeserializer();
        ByteArraySerializer write = new ByteArraySerializer();
        Topology topology = new Topology();
        topology.addSource("events", read, read, submitted, arguments.get("returned"));
        topology.addProcessor("watch", () -> new Watch(submitted, reader, silence), "events");
        topology.addStateStore(store(arguments.get("store")), "watch");
        topology.addSink("alerts", arguments.get("alerts"), write, write, "watch");
        return topology;
    }

    private static StoreBuilder<KeyValueStore<Bytes, byte[]>> store(
            String kind) {
        KeyValueBytesStoreSupplier supplier =
                kind.equals("memory")
                        ? Stores.inMemoryKeyValueStore(Watch.STORE)
                        : Stores.persistentKeyValueStore(Watch.STORE);
        return Stores.keyValueStoreBuilder(supplier, Serdes.Bytes(), Serdes.ByteArray())
                .withCachingEnabled()
                .withLoggingEnabled(Map.of());
    }

    private static Properties settings(Arguments arguments) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments.get("group"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.get("bootstrap"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments.get("folder"));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, arguments.get("guarantee"));
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
        // Room for all open orders: what opens and closes between commits stays off the changelog.
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256 * 1024 * 1024L);
        settings.put(
                StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
        // A fetch that waits at the end of one partition holds up the others'.
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG), 20);
        // As much as the system gives; Kafka's 64 KB make it wait for many small reads.
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.RECEIVE_BUFFER_CONFIG), -1);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 128 * 1024);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
        return settings;
    }
}
