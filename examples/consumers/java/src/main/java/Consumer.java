// Every event that Kafka keeps, then each new one: mvn -q compile exec:java
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.StringDeserializer;

public class Consumer {
    public static void main(String[] args) {
        var settings = Map.<String, Object>of("bootstrap.servers", System.getenv("TRIALSTREAM_KAFKA"),
                "group.id", "java-consumer", "auto.offset.reset", "earliest");
        try (var events = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            events.subscribe(List.of("trialstream.events"));
            while (true) {
                for (var event : events.poll(Duration.ofSeconds(1))) {
                    var sequence = Long.parseLong(header(event, "ce_sequence"));
                    System.out.println(event.key() + " " + sequence + " " + header(event, "ce_type") + " " + event.value());
                }
            }
        }
    }

    static String header(org.apache.kafka.clients.consumer.ConsumerRecord<?, ?> event, String name) {
        return new String(event.headers().lastHeader(name).value());
    }
}
