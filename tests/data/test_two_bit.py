import gzip
import struct

import numpy as np
import pytest
from Bio import SeqIO
from hypothesis import given, settings
from hypothesis import strategies as st

from genomask.data import Genome, two_bit
from genomask.data.genome_formats import read_genome
from genomask.errors import DataError

NUMBER = {"T": 0, "C": 1, "A": 2, "G": 3}


def stretches(flags):
    """The starts and sizes of maximal runs of True, found base by base."""
    found = []
    for at, flag in enumerate(flags):
        if flag and at and flags[at - 1]:
            found[-1][1] += 1
        elif flag:
            found.append([at, 1])
    return found


def packed(records, order="<", wide=False):
    """The format as UCSC describes it."""
    bodies = []
    for letters in records.values():
        body = struct.pack(f"{order}I", len(letters))
        for flags in ([x in "Nn" for x in letters], [x.islower() for x in letters]):
            starts_and_sizes = zip(*stretches(flags), strict=True) if any(flags) else ((), ())
            body += struct.pack(f"{order}I", len(stretches(flags)))
            body += b"".join(struct.pack(f"{order}{len(row)}I", *row) for row in starts_and_sizes)
        numbers = [NUMBER.get(x.upper(), 0) for x in letters] + [0] * (-len(letters) % 4)
        quads = zip(*[iter(numbers)] * 4, strict=True)
        bodies.append(body + bytes(4) + bytes(a << 6 | b << 4 | c << 2 | d for a, b, c, d in quads))
    width = 8 if wide else 4
    offset, index = 16 + sum(1 + len(name) + width for name in records), b""
    for name, body in zip(records, bodies, strict=True):
        index += bytes([len(name)]) + name.encode() + struct.pack(f"{order}{'Q' if wide else 'I'}", offset)
        offset += len(body)
    return struct.pack(f"{order}4I", 0x1A412743, int(wide), len(records), 0) + index + b"".join(bodies)


def as_text(path):
    """{record: letters} as read, lower case where soft-masked."""
    found = {}
    for record, codes, soft_masked, _ in read_genome(path):
        letters = "".join("ACGTN"[code] for code in codes)
        pairs = zip(letters, soft_masked, strict=True)
        found[record] = found.get(record, "") + "".join(letter.lower() if low else letter for letter, low in pairs)
    return found


@settings(deadline=None, max_examples=40)
@given(
    sequences=st.lists(st.text("ACGTNacgtn", min_size=1, max_size=70), min_size=1, max_size=4),
    order=st.sampled_from("<>"),
    wide=st.booleans(),
    pack=st.sampled_from([bytes, gzip.compress]),
)
def test_letters_case_and_n_are_read_as_they_were_packed(tmp_path_factory, sequences, order, wide, pack):
    records = {f"r{number}": letters for number, letters in enumerate(sequences)}
    path = tmp_path_factory.mktemp("2bit") / "g.2bit"
    path.write_bytes(pack(packed(records, order, wide)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_bit, "CHUNK_BYTES", 16)
        assert as_text(path) == records


def test_biopython_and_fasta_read_the_same_genome(tmp_path):
    rng = np.random.default_rng(0)
    records = {name: "".join(rng.choice(list("ACGTacgtN"), 500)) for name in ("chr1", "chr2")}
    (tmp_path / "g.2bit").write_bytes(packed(records))
    assert {record.id: str(record.seq) for record in SeqIO.parse(tmp_path / "g.2bit", "twobit")} == records
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{letters}\n" for name, letters in records.items()))
    ours, theirs = (Genome.open(tmp_path / name, cache=tmp_path) for name in ("g.2bit", "g.fa"))
    assert ours.fingerprint == theirs.fingerprint
    assert np.array_equal(ours.repeats, theirs.repeats)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    whole, path = packed({"a": "ACGTNNacgtACG", "b": "GATTACA"}), tmp_path / "g.2bit"
    for size in range(4, len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="cut short or damaged"):
            list(read_genome(path))


@pytest.mark.parametrize(
    ("at", "number", "sentence"),
    [
        (4, 2, "version 2"),
        (8, 2**32 - 1, "4,294,967,295 records"),
        (18, 3, "records overlap"),
        (26, 2**32 - 1, "4,294,967,295 stretches"),
        (30, 12, "a stretch goes beyond the end of its record of 13 bases"),
    ],
)
def test_numbers_that_contradict_each_other_are_named_before_memory_is_taken(tmp_path, at, number, sentence):
    data, path = bytearray(packed({"a": "ACGTNNacgtACG"})), tmp_path / "g.2bit"
    data[at : at + 4] = struct.pack("<I", number)
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"g\.2bit: the 2bit data is cut short or damaged \(.*{sentence}"):
        list(read_genome(path))
