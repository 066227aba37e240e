package dev.infonce.djl;

/** Which numbers of the logits are learned, and so follow the embeddings among the predictions. */
enum LearnedLogits {
    NOTHING(0, ""),
    TEMPERATURE(1, ", the last being ln(temperature)"),
    TEMPERATURE_AND_BIAS(2, ", the last being ln(temperature) and the bias");

    private final int count;
    private final String words;

    LearnedLogits(int count, String words) {
        this.count = count;
        this.words = words;
    }

    /** How many arrays they are. */
    int count() {
        return count;
    }

    /** What a message about the number of predictions ends in. */
    String words() {
        return words;
    }
}
