"""Few-shot classification: an encoder with 10 to 1000 labelled examples of each class, beside its floors."""
