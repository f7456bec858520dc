"""From a recipe and raw input to a run folder: opens the data, builds strategy and encoder, and trains."""

import logging
import tomllib
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch

from genomask.atomic import atomic_write, require_folder
from genomask.data.fixed_shape import BatchShape
from genomask.data.genome import Genome
from genomask.data.kmer import KmerTokenizer
from genomask.data.sources import GenomeSource, Source, TextSource
from genomask.data.streamed import StreamedText
from genomask.data.text import corpus_files
from genomask.data.wordpiece import learned_vocabulary, wordpiece_tokenizer
from genomask.encoders import MosaicBertForMaskedLM, choose_backend
from genomask.errors import SettingsError
from genomask.experiments.export import export_note
from genomask.experiments.model_card import run_card
from genomask.masking import MaskPlan, NpmiTable, build_plan
from genomask.masking.npmi import rarity_warning
from genomask.masking.plan import needs_npmi
from genomask.recipe import (
    GenomeRecipe,
    Recipe,
    recipe_from_tables,
    recipe_to_toml,
    toml_value,
)
from genomask.training.batches import Batches, masked_share
from genomask.training.compiling import choose_compile, compile_model
from genomask.training.device import choose_device, choose_precision, computed_in
from genomask.training.evaluation import prepare_evaluation
from genomask.training.loop import Run, train

SAMPLE_WINDOWS = 2_000
"""The first sequences of training, on which the rates of strategies that depend on them are solved and measured."""

C4 = ("c4",)
"""The corpus that is streamed from the hub instead of read from disk."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The raw input of a run, written beside its recipe: either genome files or a corpus."""

    genome: tuple[str, ...] = ()
    ambiguous: str = "error"
    corpus: tuple[str, ...] = ()


def default_recipe(kind: str) -> str:
    """The recipe of someone who names none: tiny without a GPU."""
    size = "base" if torch.cuda.is_available() else "tiny"
    return {"genome": f"genome-{size}", "text": f"c4-{size}"}[kind]


def pretrain(recipe: Recipe, inputs: Inputs, out: Path, *, resume: bool = False) -> None:
    """Train `recipe` on `inputs` in the folder `out`; a run that is finished is left as it is when resumed.

    Raises SettingsError where `out` holds a run and `resume` is not set, or holds a run of other settings or data.
    """
    config = recipe_to_toml(recipe) + _inputs_to_toml(inputs)
    require_folder(out)
    _refuse_other_runs(out, config, resume)
    if is_finished(out):
        _refuse_other_data(out, open_source(recipe, inputs).fingerprint)
        log.info("%s is finished; nothing to do", out)
        return
    run = build_run(recipe, inputs, out)  # every mistake in the input shows here, before the folder is touched
    fingerprint = run.batches.source.fingerprint
    _refuse_other_data(out, fingerprint)
    atomic_write(out / "config.toml", f"{config}fingerprint = {toml_value(fingerprint)}\n")
    if note := export_note(recipe.encoder):
        log.info(note)
    train(run)


def is_finished(out: Path) -> bool:
    """`model/` appears whole, as the last act of a run."""
    return (out / "model" / "config.json").exists()


def read_config(out: Path) -> tuple[Recipe, Inputs]:
    """The recipe and inputs of the run in `out`."""
    tables = tomllib.loads((out / "config.toml").read_text(encoding="utf-8"))
    given = tables.pop("inputs")
    inputs = Inputs(genome=tuple(given["genome"]), ambiguous=given["ambiguous"], corpus=tuple(given["corpus"]))
    return recipe_from_tables(tables, str(out / "config.toml")), inputs


def build_run(recipe: Recipe, inputs: Inputs, out: Path) -> Run:
    """Open the data and build everything that the loop needs."""
    device, compiled = _where(recipe)
    source = open_source(recipe, inputs)
    table = (
        count_npmi(source, recipe) if isinstance(recipe, GenomeRecipe) and isinstance(source, GenomeSource) else None
    )
    training, masking = recipe.training, recipe.masking
    plan = _plan(source, recipe, masking.mask_rate, table)
    batches = Batches(
        source, plan, masking.corruption, training.seed, training.sequences_per_step, training.tokens_per_microbatch
    )
    if compiled and device.type == "cuda":
        share = masked_share(batches, SAMPLE_WINDOWS)  # not the rate, which may be of bases
        shape = BatchShape.of(training.tokens_per_microbatch, recipe.longest, share)
        batches = replace(batches, shape=shape)
    # under a curriculum masked as in its first step, throughout: so the token loss can be followed
    scored = _plan(source, recipe, recipe.evaluation.mask_rate, table).at(0)
    evaluation = prepare_evaluation(batches, scored, table.counts(6) if table else None)
    model = new_model(recipe, source)
    data = inputs.genome or inputs.corpus
    return Run(
        model=model,
        network=compile_model(model, device) if compiled else model,
        tokenizer=source.tokenizer,
        batches=batches,
        evaluation=evaluation,
        optimizer=recipe.optimizer,
        training=training,
        scoring=recipe.evaluation,
        out=out,
        card=partial(run_card, recipe, data, source.fingerprint, model, out),
    )


def _where(recipe: Recipe) -> tuple[torch.device, bool]:
    """The device of the run, and whether its model is compiled; SettingsError for what cannot run here."""
    device = choose_device(recipe.training.device)
    dtype = computed_in(choose_precision(recipe.training.precision, device))
    backend = choose_backend(recipe.encoder.attention_backend, device, dtype)
    return device, choose_compile(recipe.training.compile, device, backend)


def open_source(recipe: Recipe, inputs: Inputs) -> Source:
    """The training and evaluation sequences that the recipe asks for."""
    seed = recipe.training.seed
    if isinstance(recipe, GenomeRecipe):
        genome = Genome.open(inputs.genome, ambiguous=inputs.ambiguous)
        kmers = KmerTokenizer(k=recipe.tokens.k, stride=recipe.tokens.stride)
        return GenomeSource(genome, recipe.windows, kmers, seed)
    if inputs.corpus == C4 and not recipe.tokens.vocabulary:
        raise SettingsError("streaming C4 needs a vocabulary: give --vocabulary vocab.txt, as bert-base-uncased's.")
    vocabulary = recipe.tokens.vocabulary or learned_vocabulary(corpus_files(inputs.corpus), recipe.tokens.vocab_size)
    tokenizer = wordpiece_tokenizer(vocabulary)
    if inputs.corpus == C4:
        return StreamedText(tokenizer, recipe.documents)
    return TextSource(inputs.corpus, tokenizer, recipe.documents, seed)


def count_npmi(source: GenomeSource, recipe: GenomeRecipe) -> NpmiTable:
    """NPMI of the very bases trained on: the hold-out and the validation windows are left out."""
    windows, masking, k = source.windows, recipe.masking, recipe.tokens.k
    table = NpmiTable.from_intervals(
        source.genome.codes,
        windows.training,
        max_n=max(k, 6),  # 6-mers also give the order-5 Markov floor
        min_count=masking.npmi_min_count,
        definition=masking.npmi_definition,
        strand="both" if recipe.windows.strand == "both" else "forward",
        genome=source.genome.fingerprint,
    )
    if needs_npmi(masking.strategy) and (warning := rarity_warning(table, [k], "masking.npmi_min_count or tokens.k")):
        log.warning(warning)
    return table


def new_model(recipe: Recipe, source: Source) -> MosaicBertForMaskedLM:
    """A fresh encoder; its weights depend on the seed alone."""
    tokenizer = source.tokenizer
    if (
        isinstance(recipe, GenomeRecipe)
        and recipe.tokens.stride == recipe.tokens.k
        and recipe.encoder.positions == "alibi"
    ):
        log.warning(
            "tokens do not overlap (stride = k), so an encoder with plain ALiBi cannot tell left from right; "
            "set encoder.positions=alibi-directed"
        )
    config = recipe.encoder.config(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    torch.manual_seed(recipe.training.seed)
    return MosaicBertForMaskedLM(config)


def _plan(source: Source, recipe: Recipe, mask_rate: float, table: NpmiTable | None) -> MaskPlan:
    masking = recipe.masking
    windows = source.train(0, SAMPLE_WINDOWS) if isinstance(source, GenomeSource) else None
    return build_plan(
        masking.strategy,
        steps=recipe.training.steps,
        tokens=source.token_bases,
        mask_rate=mask_rate,
        npmi=table,
        match=masking.match,
        sample=(windows.input_ids, windows.cu_seqlens) if windows else None,
    )


def _refuse_other_runs(out: Path, config: str, resume: bool) -> None:
    """A new run needs a folder of its own; a resumed one the folder of a run with the same settings."""
    path = out / "config.toml"
    if not path.exists():
        if resume:
            raise SettingsError(f"{out} holds no run to resume (no config.toml); leave --resume out to start one.")
        if out.exists() and any(out.iterdir()):
            raise SettingsError(f"{out} is not empty and holds no run; give another --out.")
        return
    if not resume:
        raise SettingsError(f"{out} already holds a run; go on with it by --resume, or give another --out.")
    now = config.splitlines()
    before = path.read_text(encoding="utf-8").splitlines()[: len(now)]  # what follows is the fingerprint of the data
    if before != now:
        old, new = next((a, b) for a, b in zip(before, now, strict=False) if a != b)
        raise SettingsError(
            f"{out} holds a run of other settings ('{old}' there, '{new}' asked for); "
            "resume it with the same ones, or give another --out."
        )


def _refuse_other_data(out: Path, fingerprint: str) -> None:
    """Files may change under their names: a run goes on with the data it began with, or not at all."""
    path = out / "config.toml"
    if not path.exists():
        return
    known = tomllib.loads(path.read_text(encoding="utf-8"))["inputs"].get("fingerprint")
    if known is None:
        raise SettingsError(
            f"{out} holds a run that did not note which data it began with; if they have not changed since, add the "
            f"line 'fingerprint = {toml_value(fingerprint)}' at the end of {path}, or give another --out."
        )
    if known != fingerprint:
        raise SettingsError(
            f"{out} holds a run on other data: its genome or corpus has changed since it began ({known} there, "
            f"{fingerprint} now); bring the old files back, or give another --out."
        )


def _inputs_to_toml(inputs: Inputs) -> str:
    return "\n[inputs]\n" + "".join(f"{key} = {toml_value(value)}\n" for key, value in asdict(inputs).items())
