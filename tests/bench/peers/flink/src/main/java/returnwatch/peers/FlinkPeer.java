package returnwatch.peers;

import java.nio.file.Path;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;

/** The order watch on Flink: everything in this process, parallelism 1, until SIGTERM. */
public final class FlinkPeer {
    private static final long CHECKPOINT_MS = 1_000;

    private FlinkPeer() {}

    public static void main(String[] args) throws Exception {
        Arguments arguments = new Arguments(args);
        DeliveryGuarantee guarantee = DeliveryGuarantee.valueOf(arguments.get("guarantee"));
        StreamExecutionEnvironment flink =
                StreamExecutionEnvironment.createLocalEnvironment(1, settings(arguments));
        flink.enableCheckpointing(
                CHECKPOINT_MS,
                guarantee == DeliveryGuarantee.EXACTLY_ONCE
                        ? CheckpointingMode.EXACTLY_ONCE
                        : CheckpointingMode.AT_LEAST_ONCE);
        flink.fromSource(
                        source(arguments),
                        WatermarkStrategy.forGenerator(new LogTime.Supplier()),
                        "events")
                .keyBy(step -> step.orderId)
                .process(new Watch(arguments.get("submitted")))
                .sinkTo(sink(arguments, guarantee));
        flink.execute("order watch");
    }

    private static Configuration settings(Arguments arguments) {
        String checkpoints = Path.of(arguments.get("folder")).toUri().toString();
        Configuration settings = new Configuration();
        settings.set(StateBackendOptions.STATE_BACKEND, "hashmap");
        settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, checkpoints);
        settings.set(PipelineOptions.OBJECT_REUSE, true);
        settings.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        settings.set(RestOptions.ADDRESS, "127.0.0.1");
        settings.set(RestOptions.BIND_ADDRESS, "127.0.0.1");
        settings.set(RestOptions.BIND_PORT, "0");
        return settings;
    }

    private static KafkaSource<Step> source(Arguments arguments) {
        String submitted = arguments.get("submitted");
        return KafkaSource.<Step>builder()
                .setBootstrapServers(arguments.get("bootstrap"))
                .setTopics(submitted, arguments.get("returned"))
                .setGroupId(arguments.get("group"))
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setDeserializer(new EventDeserializer(submitted))
                .setProperty(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "5000")
                // A fetch that waits at the end of one topic holds up the other one's.
                .setProperty(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, "20")
                // As much as the system gives; Kafka's 64 KB make it wait for many small reads.
                .setProperty(ConsumerConfig.RECEIVE_BUFFER_CONFIG, "-1")
                .build();
    }

    private static KafkaSink<Alert> sink(Arguments arguments, DeliveryGuarantee guarantee) {
        String topic = arguments.get("alerts");
        KafkaRecordSerializationSchema<Alert> schema =
                (alert, context, time) -> new ProducerRecord<>(topic, alert.key, alert.value);
        return KafkaSink.<Alert>builder()
                .setBootstrapServers(arguments.get("bootstrap"))
                .setRecordSerializer(schema)
                .setDeliveryGuarantee(guarantee)
                .setTransactionalIdPrefix(arguments.get("group"))
                .setProperty(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG, "600000")
                .build();
    }
}
