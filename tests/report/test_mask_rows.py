from masked_by_hand import FOUR_IN_A_ROW, TWELVE, row, sequence

from genomask.report.mask_rows import tally_frame


def test_a_base_is_covered_where_any_token_over_it_is_masked():
    covered = row("genemask", {3, 4, 5, 6}, n_bases=12, k=3).covered
    assert covered.nonzero()[0].tolist() == [3, 4, 5, 6, 7, 8]


def test_the_table_counts_tokens_bases_and_spans():
    frame = tally_frame(sequence(TWELVE, 3, FOUR_IN_A_ROW | {"nothing": set()}))
    assert frame.iloc[:, :5].values.tolist() == [
        ["genemask", "40.0 %", "16.7 %", "1", "4.0"],
        ["uniform", "20.0 %", "16.7 %", "2", "1.0"],
        ["nothing", "0.0 %", "0.0 %", "0", "-"],
    ]


def test_the_title_counts_positions_from_1_both_ends_included():
    assert sequence(TWELVE, 3, {}, first=1001).title == "chr1:1,001-1,012, 12 bases, k = 3"
