"""Which epoch of a fine-tuning is the best is told by the rows of its metrics alone."""

from genomask.commands.finetune.epochs import best_epoch, scored_epochs


def test_only_rows_with_a_loss_on_valid_are_epochs():
    rows = [{"step": 1, "loss_nats": 0.7}, {"step": 2, "epoch": 1, "valid_loss_nats": 0.6, "valid_accuracy": 0.5}]
    assert scored_epochs(rows) == rows[1:]


def test_of_epochs_with_the_same_loss_the_first_is_the_best():
    losses = [0.9, 0.4, 0.6, 0.4]
    for name in ("valid_loss_nats", "valid_loss_nats_per_label", "valid_loss_fraction_of_variance"):
        assert best_epoch([{"epoch": n, name: loss} for n, loss in enumerate(losses, start=1)])["epoch"] == 2
