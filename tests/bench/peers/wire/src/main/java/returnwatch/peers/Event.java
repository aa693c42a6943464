package returnwatch.peers;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;

/** A submission or a return, as its JSON has it; fields that are absent are null. */
@JsonIgnoreProperties(ignoreUnknown = true)
public class Event {
    @JsonProperty("order_id")
    public String orderId;

    @JsonProperty("submitted_at")
    public Long submittedAt;

    @JsonProperty("return_within_ms")
    public Long returnWithinMs;

    @JsonProperty("returned_at")
    public Long returnedAt;

    public String outcome;
    public Integer attempt;
    public String kind;
    public String provider;
    public String merchant;
    public String player;

    @JsonProperty("amount_minor")
    public Long amountMinor;

    public String currency;

    // Where it stands in the log; not part of the JSON.
    @JsonIgnore public int partition;
    @JsonIgnore public long offset;

    public long deadline() {
        return submittedAt + within();
    }

    public long within() {
        return returnWithinMs == null ? EventReader.WITHIN_MS : returnWithinMs;
    }

    public boolean isFinal() {
        return !("pending".equals(outcome) || "error".equals(outcome));
    }
}
