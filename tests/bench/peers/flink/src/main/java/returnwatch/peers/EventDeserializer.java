package returnwatch.peers;

import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Kafka's records to steps; what cannot be read or changes nothing is left out. */
final class EventDeserializer implements KafkaRecordDeserializationSchema<Step> {
    private static final long serialVersionUID = 1;
    private final String submittedTopic;
    private transient EventReader reader;

    EventDeserializer(String submittedTopic) {
        this.submittedTopic = submittedTopic;
    }

    @Override
    public void open(DeserializationSchema.InitializationContext context) {
        reader = new EventReader();
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Step> out) {
        boolean submission = record.topic().equals(submittedTopic);
        Event event = reader.read(submission, record.key(), record.value(), record.timestamp());
        if (event == null) {
            return;
        }
        if (submission) {
            event.partition = record.partition();
            event.offset = record.offset();
            out.collect(new Step(event.orderId, OpenOrder.of(event).pack()));
        } else if (event.isFinal()) {
            out.collect(new Step(event.orderId, null));
        }
    }

    @Override
    public TypeInformation<Step> getProducedType() {
        return TypeInformation.of(Step.class);
    }
}
