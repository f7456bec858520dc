from genomask.masking import MaskAccount
from genomask.masking.curricula import Phase
from genomask.training.log_window import LogWindow


def test_the_logged_loss_is_of_a_masked_token_and_every_row_starts_anew():
    window = LogWindow(tokens=1000, shows_phase=False)
    for step, tokens in ((2, 1200), (4, 1400)):
        for masked, loss in ((10, 1.0), (30, 3.0)):
            masks = MaskAccount(tokens=100, tokens_masked=masked, bases=200, bases_hidden=4, bases_hidden_kept=1)
            window.add(masks, loss, Phase("span", "span", 0.0, 0.15))
        row = window.close(step, rate=0.5)
        assert (row["step"], row["tokens"], row["learning_rate"]) == (step, tokens, 0.5)
        assert (row["loss_nats_per_masked_token"], row["tokens_masked_fraction"]) == (2.5, 0.2)
        assert (row["bases_hidden_fraction"], row["bases_hidden_kept_fraction"]) == (0.02, 0.25)
