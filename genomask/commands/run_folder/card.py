"""README.md of a model folder: what the model was made of, how good it is, and the lines that load it.

Like Hugging Face's model cards: a YAML header, then Markdown. No licence is guessed.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import ModelCard, ModelCardData
from yaml import YAMLError

from genomask.commands.run_folder.mask_choice import rate_words
from genomask.encoders import MosaicBertForMaskedLM
from genomask.errors import DataError, counted
from genomask.recipe import Recipe
from genomask.training.environment import package_versions
from genomask.training.metrics_log import read_metrics
from genomask.training.records import read_baselines, read_record

LOADING = "## How to load it"

AUTO = """```python
{imports}from transformers import AutoModelForMaskedLM, AutoTokenizer

model = AutoModelForMaskedLM.from_pretrained("path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
logits = model(**tokenizer({example}, return_tensors="pt")).logits
```"""
OURS = """Before genomask is imported, transformers knows neither this model nor its tokenizer: it reports that it "does
not recognize this architecture" and advises an upgrade, which does not help. No code comes with this folder, and
`trust_remote_code` is not needed.

{auto}

`AutoModel` gives vectors, `AutoModelForSequenceClassification` and `AutoModelForTokenClassification` a new head to
train."""
BERT = """A BERT in the format of transformers.

{auto}"""
MOSAICBERT = """These are the parameter names and settings of the published MosaicBERT, whose own code reads them.
`model_type` is `mosaicbert`, which transformers does not know: its Auto classes refuse the folder. Named
`bert`, it would open as a BERT with layers of random weights, as `BertModel` still opens it. genomask opens it:

```python
from genomask.inference.hub import open_model

model, tokenizer = open_model("path/to/this/folder")
logits = model(**tokenizer({example}, return_tensors="pt")).logits
```"""
HOW: Mapping[str, tuple[str, str]] = {
    "genomask": ("genomask", OURS),
    "mosaicbert": ("genomask", MOSAICBERT),
    "bert": ("transformers", BERT),
}
"""Name scheme of a folder -> the library whose classes read it, and how."""
NEEDED = "import genomask  # teaches the Auto classes this model and its tokenizer\n"
DNA = "ACGTACGTACGT"


class Reads(NamedTuple):
    """What the tokenizer of an exported folder reads: an example in Python, a line before it, and a note on it."""

    example: str
    imports: str = ""
    word: str = ""


NOTHING = Reads('"..."', word="The model came without a tokenizer: use its original one.")
PLAIN_TEXT = Reads('"a few words"')
PLAIN_DNA = Reads(f'"{DNA}"', "import genomask  # teaches AutoTokenizer this tokenizer\n")
EXAMPLES = {"genome": PLAIN_DNA.example, "text": PLAIN_TEXT.example}
"""Example input of a run's tokenizer, in Python, by the kind of its recipe."""


def spaced_kmers(k: int, scheme: str) -> Reads:
    """DNABERT's k-mers, which genomask cuts itself and transformers wants separated by spaces."""
    word = (
        f"transformers needs k-mers separated by spaces, as DNABERT's (here k = {k}), and reads plain DNA as `[UNK]`; "
        "genomask cuts it into k-mers itself."
    )
    is_cut = HOW[scheme][0] == "genomask"
    return Reads(f'"{DNA if is_cut else f"{DNA[:k]} {DNA[1 : k + 1]}"}"', word=word)


def run_card(recipe: Recipe, data: Sequence[str], fingerprint: str, model: MosaicBertForMaskedLM, out: Path) -> str:
    """The card of the model that the run in `out` trained on `data` (in words); its scores are read from `out`."""
    from genomask.commands.run_folder.report import (  # a run needs pandas and matplotlib only at its end
        no_bits,
        score_frame,
    )
    from genomask.report.by_genome import genome_frame, genomes_of
    from genomask.report.meaning import last_scores

    tags = ["fill-mask", "masked-lm", "mosaicbert", *recipe.tags]
    rows = read_metrics(out / "metrics.jsonl")
    baselines, where = read_baselines(out / "baselines.json"), read_record(out / "environment.json")
    try:
        scores = score_frame(last_scores(rows), baselines)
        table = markdown_table(scores.columns, scores.itertuples(index=False))
        apart = genome_frame(rows) if genomes_of(rows) else None
        by_genome = "" if apart is None else markdown_table(apart.columns, apart.itertuples(index=False))
        held_out = "\n\n".join(filter(None, (table, by_genome, no_bits(recipe, rows))))
    except DataError as error:  # the records were damaged on disk; the model is whole
        held_out = f"The records of the run were damaged: {error}"
    auto = AUTO.format(imports=NEEDED, example=EXAMPLES[recipe.kind])
    parts = [
        f"# A masked language model of {recipe.of}",
        "Pretrained by genomask.",
        LOADING,
        OURS.format(auto=auto),
        "## How it was trained",
        markdown_table(["", ""], _facts(recipe, data, fingerprint, model, _tokens(rows), where).items()),
        "## Scores on held-out sequences",
        held_out,
    ]
    return card_text(ModelCardData(library_name="genomask", tags=tags, pipeline_tag="fill-mask"), parts)


def _tokens(rows: Sequence[dict[str, Any]]) -> int:
    """Tokens that the run was trained on, by the last row that has them; 0 if none does."""
    return int(max((row.get("tokens", 0) for row in rows), default=0))


def export_card(before: str, scheme: str, reads: Reads) -> str:
    """The card of a model written in another name scheme; `before`: its old card, "" if it had none.

    The text of the old card is kept, except how to load the model.
    """
    library, how = HOW[scheme]
    header, text = _parts_of(before)
    text = text.strip() or f"# A masked language model in {scheme}'s names"
    title, *sections = text.split("\n## ")
    kept = [f"## {section.strip()}" for section in sections if not section.startswith(LOADING.removeprefix("## "))]
    example, imports, word = reads
    how = how.format(example=example, auto=AUTO.format(imports=imports, example=example))
    header |= {"tags": _tags(header.get("tags"), scheme), "library_name": library}
    return card_text(ModelCardData(**header), [part for part in (title.strip(), LOADING, how, word, *kept) if part])


def _tags(before: Any, scheme: str) -> list[Any]:
    """The old card's tags, if it has a list of them, with the model's new scheme."""
    kept = before if isinstance(before, list) else ["fill-mask", "masked-lm"]
    return [*(tag for tag in kept if tag not in ("mosaicbert", "bert")), scheme]


def _parts_of(card: str) -> tuple[dict[str, Any], str]:
    """The header and the text of a card; one whose header is not a YAML table is all text."""
    if not card.startswith("---"):
        return {}, card
    try:
        parts = ModelCard(card, ignore_metadata_errors=True)
    except (ValueError, TypeError, YAMLError):
        return {}, card.lstrip("-")
    return parts.data.to_dict(), parts.text


def _facts(
    recipe: Recipe,
    data: Sequence[str],
    fingerprint: str,
    model: MosaicBertForMaskedLM,
    tokens: int,
    where: Mapping[str, Any],
) -> dict[str, str]:
    masking, training, config = recipe.masking, recipe.training, model.config
    stem = f", a stem of {config.stem_width} tokens in {config.stem_size} channels" if config.stem_width > 1 else ""
    return {
        "data": f"{', '.join(data)} (fingerprint {fingerprint})",
        "tokens": recipe.token_words(config.vocab_size),
        "sequences": f"up to {recipe.longest} tokens" + (f"; {recipe.growth.words}" if recipe.growth else ""),
        "masking": f"`{masking.strategy}`, {rate_words(masking)} asked for",
        "encoder": f"{counted(config.num_hidden_layers, 'layer')} of {config.hidden_size}, "
        f"{counted(config.num_attention_heads, 'head')}, positions {config.positions}, "
        f"MLP {config.mlp}{stem}: {model.num_parameters():,} parameters",
        **({"continued from": where["from"]} if "from" in where else {}),
        "training": f"{counted(training.steps, 'step')} of {counted(training.sequences_per_step, 'sequence')}, "
        f"{tokens:,} tokens seen, seed {training.seed}",
        "computed": f"on {where.get('device')} in {where.get('precision')}, attention by "
        f"{where.get('attention_backend')}; genomask {where.get('genomask')}, torch {package_versions()['torch']}",
    }


def card_text(header: ModelCardData, parts: Sequence[str]) -> str:
    """A card: its YAML header, then the parts with a blank line between them."""
    return "\n\n".join([f"---\n{header.to_yaml()}\n---", *parts]) + "\n"


def markdown_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [[str(cell).replace("|", r"\|") for cell in line] for line in (head, *rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
