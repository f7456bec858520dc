from genomask.report.by_genome import genome_frame, genome_words, genomes_of

BASELINES = {"unigram_entropy_nats": 8.0, "flank_floor_nats": 3.0}


def evaluation(loss, of_each):
    """A row of metrics.jsonl: the bits of each genome, and their gain over its composition."""
    row = {"step": 9, "eval_loss_nats_per_masked_token": loss}
    for name, (bits, gain) in of_each.items():
        of = f"_of_{name}" if name else ""
        row[f"eval_loss_nats_per_masked_token{of}"] = loss
        for item in ("single", "six"):
            row[f"eval_bits_per_hidden_base_{item}{of}"] = bits
            row[f"eval_bits_below_order_0_{item}{of}"] = gain
            row[f"eval_bits_below_order_0_{item}_standard_error{of}"] = 0.01
    return row


SCORES = {"": (1.9, 0.04), "human": (1.85, 0.1), "my_of_yeast": (1.95, -0.05), "worm": (1.94, 0.015)}


def test_each_genome_has_a_row_beside_the_whole():
    rows = [evaluation(2.9, SCORES)]
    assert genomes_of(rows) == ["human", "my_of_yeast", "worm"]
    frame = genome_frame(rows).set_index("genome")
    assert list(frame.index) == ["human", "my_of_yeast", "worm", "all"]
    assert frame.loc["human", "below order-0, single"] == "+0.1000 ± 0.0100"
    assert frame.loc["all", "bits, six in a row"] == "1.9000"


def test_gains_on_each_genome_are_reported_once_the_model_copies():
    words = genome_words([evaluation(2.9, SCORES)], BASELINES)
    assert (
        "human 0.100 ± 0.010 bits better on single hidden bases and 0.100 ± 0.010 bits better on six in a row" in words
    )
    assert "my_of_yeast 0.050 ± 0.010 bits worse on single" in words
    assert "worm no better on single hidden bases and no better on six in a row." in words
    assert genome_words([evaluation(7.0, SCORES)], BASELINES) == ""
    assert genome_words([evaluation(2.9, {"": (1.9, 0.04)})], BASELINES) == ""


def test_tokens_that_are_not_kmers_are_compared_by_their_loss_alone():
    rows = [{name: x for name, x in evaluation(2.9, SCORES).items() if "bits" not in name}]
    assert list(genome_frame(rows).columns) == ["genome", "loss, nats"]
    assert genome_words(rows, BASELINES) == ""


def test_a_genome_of_one_window_is_reported_without_a_standard_error():
    row = {name: x for name, x in evaluation(2.9, SCORES).items() if not name.endswith("error_of_worm")}
    assert genome_frame([row]).set_index("genome").loc["worm", "below order-0, single"] == "+0.0150"
    assert "worm not shown to be better (one held-out window has no error) on" in genome_words([row], BASELINES)
