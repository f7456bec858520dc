"""README.md of a classifier's folder: how to use it, what it was made of, and its scores."""

from pathlib import Path

import pandas as pd
from huggingface_hub import ModelCardData

from genomask.commands.finetune.job import Job
from genomask.commands.run_folder.card import LOADING, card_text, markdown_table
from genomask.data.examples import NUMBER, ONE, SEVERAL
from genomask.data.reading import DNA, PAIR
from genomask.data.tokenizers.base import DnaTokenizer
from genomask.errors import counted
from genomask.inference.vocabulary import reading_of
from genomask.training.environment import package_versions

MOST_CLASSES = 40
"""Classes named in the card; config.json names all."""
PREDICT = """```sh
genomask predict sequences.tsv --model path/to/this/folder{columns} --out labels.tsv
```"""
PIPELINE = """```python
import genomask  # teaches the Auto classes this model and its tokenizer
from transformers import pipeline

classify = pipeline("text-classification", model="path/to/this/folder"{how})
print(classify({example}))
```"""
HOW = {ONE: "", SEVERAL: ", top_k=None", NUMBER: ""}
TITLES = {ONE: "A classifier of {}", SEVERAL: "A classifier of {} with several labels", NUMBER: "A regression on {}"}
EXAMPLES = {
    "DNA": '"ACGTACGTACGT"',
    "text": '"Two sentences, or one."',
    "pairs of texts": '{"text": "What was asked?", "text_pair": "What was answered."}',
}


def classifier_card(job: Job, scores: pd.DataFrame, where: str) -> str:
    """The card of a job's trained model; `where`: the examples that its scores are for."""
    train, plan, problem = job.train.examples, job.plan, job.problem
    named = ", ".join(train.classes[:MOST_CLASSES]) + (" ..." if len(train.classes) > MOST_CLASSES else "")
    facts = {
        "from": f"`{_name(job.request.model)}`, {job.loaded.model.num_parameters():,} parameters",
        "target" if problem == NUMBER else f"{len(train.classes):,} classes": named,
        "examples": f"{len(train.sequences):,} of {train.path.name}",
        "stopped by": job.valid.examples.path.name if job.valid else "no validation examples: the last epoch is kept",
        "training": f"at most {counted(plan.epochs, 'epoch')}, batches of {plan.batch_size}, "
        f"learning rate {plan.learning_rate:g}, seed {job.request.seed}",
        "computed": f"by torch {package_versions()['torch']}",
    }
    what = "DNA" if reading_of(job.loaded.tokenizer) is DNA else "text"
    if what == "text" and PAIR in train.sequences[0]:
        what = "pairs of texts"
    has_pipeline = what != "DNA" or isinstance(job.loaded.tokenizer, DnaTokenizer)
    parts = [
        f"# {TITLES[problem].format(what)}",
        "Fine-tuned by genomask.",
        LOADING,
        PREDICT.format(columns=" --sequence-column FIRST,SECOND" if what == "pairs of texts" else ""),
        *([PIPELINE.format(how=HOW[problem], example=EXAMPLES[what])] if has_pipeline else []),
        "## How it was trained",
        markdown_table(["", ""], facts.items()),
        "## Scores",
        f"On {where}. A constant guess reads no sequence: it always predicts the frequency of each label in the "
        "training examples, or their mean.",
        markdown_table(list(scores), scores.itertuples(index=False)),
    ]
    tags = [*(["dna", "genomics"] if what == "DNA" else []), "text-classification"]
    return card_text(ModelCardData(library_name="genomask", tags=tags, pipeline_tag="text-classification"), parts)


def _name(model: Path) -> str:
    """The name of a model's folder; for one called only model, its parents', such as runs/human or MNLI/seed-0."""
    path = model.resolve()
    return "/".join(path.parent.parts[-2:]) if path.name == "model" else path.name
