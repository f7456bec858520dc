"""From a recipe and raw input to a run folder: opens the data, builds strategy and encoder, and trains."""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from genomask.commands.export import export_note
from genomask.commands.genome_report import keep_manifest
from genomask.commands.run_folder.card import run_card
from genomask.commands.run_folder.changes import STEPS, check_settings
from genomask.commands.run_folder.folder import (
    CONFIG,
    Facts,
    check_facts,
    facts_of,
    holds_run,
    is_finished,
    read_origin,
    set_model_aside,
    sweep_run,
    write_config,
)
from genomask.commands.run_folder.origin import Origin, read_model, take_along
from genomask.data.fixed_shape import BatchShape
from genomask.data.opening import Inputs
from genomask.data.sources import Source
from genomask.encoders import MosaicBertConfig, MosaicBertForMaskedLM, choose_backend
from genomask.encoders.backends import slow_because
from genomask.encoders.positions import POSITIONS
from genomask.errors import SettingsError
from genomask.files.atomic import require_folder
from genomask.files.locking import locked
from genomask.machine.process import usable_memory
from genomask.machine.threads import workers_for
from genomask.masking import MaskPlan, NpmiTable, build_plan
from genomask.masking.npmi import rarity_warning
from genomask.masking.plan import needs_npmi
from genomask.recipe import Recipe, recipe_from_tables
from genomask.settings.recipe_file import apply_changes, default_recipe, read_tables
from genomask.training import distributed
from genomask.training.batches import Batches, expected_part
from genomask.training.checkpoint import list_checkpoints
from genomask.training.compiling import choose_compile, compile_model
from genomask.training.device import choose_device, computed_in, scoring_precision
from genomask.training.environment import first_precision
from genomask.training.evaluation import Evaluation, prepare_evaluation
from genomask.training.loop import Run, train
from genomask.training.microbatch import Trial, tokens_at_once
from genomask.training.precision import choose_precision

SAMPLE_WINDOWS = 2_000
"""The first sequences of the greatest length, used to solve and measure rates that depend on the sequences."""

BYTES_PER_PARAMETER = 16
"""For training in fp32: the weight, its gradient, and AdamW's two moments."""

log = logging.getLogger(__name__)


def chosen_recipe(kind: str, name: str, changes: Sequence[str], origin: Origin | None = None) -> Recipe:
    """The recipe named or this machine's default, which is logged; with changes such as training.steps=60.

    An `origin` sets shape and tokens. Raises SettingsError if the recipe named, or a change, contradicts it.
    """
    has_gpu = torch.cuda.is_available()
    found = name or default_recipe(kind, has_gpu=has_gpu)
    tables = read_tables(found, changes)
    if origin:
        take_along(tables, read_tables(name, changes) if name else apply_changes({}, changes), origin)
    recipe = recipe_from_tables(tables, found)
    if not name:
        log.info("recipe %s: the default %s a GPU", found, "with" if has_gpu else "without")
    return recipe


def origin_of(model: Path | None, kind: str, out: Path, *, resume: bool) -> Origin | None:
    """The model that a run continues from: the one named, or that of the run in `out`, if resumed; else None."""
    if model is not None:
        return read_model(model, kind)
    return read_origin(out) if resume and (out / CONFIG).exists() else None


def pretrain(
    recipe: Recipe,
    inputs: Inputs,
    out: Path | str,
    *,
    origin: Origin | None = None,
    resume: bool = False,
    same_length: bool = False,
    wait: float = 0.0,
    track: str = "",
) -> None:
    """Train `recipe` on `inputs` in the folder `out`; a finished run is left as it is when resumed.

    It starts from the weights of `origin`, whose shape and tokens the recipe has, or from random ones. Resumed with
    more steps, even a finished run continues, unless `same_length` forbids it. `track` names a tracker that receives
    each logged row. Raises SettingsError if `out` holds a run and `resume` is not set, if that run has other data,
    another origin or other settings of those that may not change, or if another process still uses `out` after `wait`
    seconds.
    """
    out = Path(out)
    distributed.require_part(recipe.training.sequences_per_step)
    require_folder(out)
    with locked(out, wait) if distributed.is_main() else nullcontext():
        if distributed.from_main(partial(_is_done, recipe, inputs, out, origin, resume, same_length)):
            return
        # every mistake in the input shows here, before the folder is touched
        run = build_run(recipe, inputs, out, origin)
        facts = facts_of(recipe, run.batches.source.fingerprint, origin)
        distributed.require_same("genome or corpus", facts.fingerprint)
        if distributed.is_main():
            _claim(run, recipe, inputs, facts, resume)
        distributed.wait_for_all()
        train(replace(run, track=track))


def _is_done(recipe: Recipe, inputs: Inputs, out: Path, origin: Origin | None, resume: bool, same_length: bool) -> bool:
    """Whether nothing is left to do in `out`. Raises SettingsError if this run cannot use it."""
    sweep_run(out)
    changes = check_settings(out, recipe, inputs, same_length=same_length) if holds_run(out, resume) else []
    if not is_finished(out) or any(change.name == STEPS for change in changes):
        return False
    check_facts(out, facts_of(recipe, recipe.open_source(inputs, out).fingerprint, origin))
    log.info("%s is finished; nothing to do", out)
    return True


def _claim(run: Run, recipe: Recipe, inputs: Inputs, facts: Facts, resume: bool) -> None:
    """Claim the folder for this run, or check that it is its own."""
    changes = []
    if resume:
        check_facts(run.out, facts)
        changes = check_settings(run.out, recipe, inputs)
    if is_finished(run.out):  # and now asked for more steps
        kept = set_model_aside(run.out)
        log.info("the finished model of this run is kept as %s", kept)
    for change in changes:
        log.warning("%s", change.sentence)
    if changes or not resume:
        write_config(run.out, recipe, inputs, facts)
    recipe.keep_tokens(run.tokenizer, run.out)
    keep_manifest(run.out, run.batches.source)
    if note := export_note(recipe.encoder):
        log.info(note)


def build_run(recipe: Recipe, inputs: Inputs, out: Path, origin: Origin | None = None) -> Run:
    """Open the data and build everything that the loop needs."""
    device, compiled = device_of(recipe)
    with distributed.in_turn():
        source = recipe.open_source(inputs, out)
    log.info("%s", source.description)
    if recipe.growth:
        log.info("windows grow: %s", recipe.growth.words)
    if recipe.optimizer.warmup_steps >= recipe.training.steps:
        log.warning(
            "the learning rate only rises: optimizer.warmup_steps = %d in a run of training.steps = %d; set it to "
            "about a tenth of training.steps", recipe.optimizer.warmup_steps, recipe.training.steps,
        )  # fmt: skip
    if origin:
        origin.require_vocabulary(len(source.tokenizer), of_kmers=source.token_bases.of_kmers)
        log.info("continuing from %s", origin.words)
    table = count_npmi(source, recipe)
    plan = _plan(source, recipe, recipe.masking.mask_rate, table)
    begins = not list_checkpoints(out / "checkpoints")
    model = new_model(recipe, source, origin, begins=begins)
    precision = distributed.from_main(partial(_precision, recipe, device, model.config, out, begins))
    trial = partial(Trial, model, device, precision, recipe.longest)
    batches = _batches(source, recipe, plan, trial, out, of_fixed_shape=compiled and device.type == "cuda")
    # under a curriculum, masked as in its first step throughout: so the token losses can be compared
    scored = _scored_plan(source, recipe, table).at(0)
    evaluation = prepare_evaluation(batches, scored, table.counts(6) if table else None)
    _require_places(model.config, evaluation)
    return Run(
        model=model,
        network=compile_model(model, device) if compiled else model,
        tokenizer=source.tokenizer,
        batches=batches,
        evaluation=evaluation,
        optimizer=recipe.optimizer,
        training=recipe.training,
        scoring=recipe.evaluation,
        precision=precision,
        out=out,
        card=partial(run_card, recipe, inputs.words, source.fingerprint, model, out),
        origin=origin.words if origin else "",
    )


def _scored_plan(source: Source, recipe: Recipe, table: NpmiTable | None) -> MaskPlan:
    """The plan that masks held-out sequences; an error in its rate names the setting."""
    rate = recipe.evaluation.mask_rate
    try:
        return _plan(source, recipe, rate, table)
    except SettingsError as error:
        if rate == recipe.masking.mask_rate:
            raise
        raise SettingsError(f"evaluation.mask_rate = {rate:g}, which masks held-out sequences: {error}") from error


def _require_places(config: MosaicBertConfig, evaluation: Evaluation) -> None:
    """Raises SettingsError if held-out windows, which may exceed those of training, outrun learned positions."""
    longest = max((batch.max_seqlen for batch in evaluation.token_batches), default=0)
    if config.position_encoding.learned and config.max_position_embeddings < longest:
        raise SettingsError(
            f"encoder.max_position_embeddings = {config.max_position_embeddings} is less than one held-out sequence "
            f"({longest} tokens); set it to {longest} or more, or use other encoder.positions."
        )


def _precision(recipe: Recipe, device: torch.device, config: MosaicBertConfig, out: Path, begins: bool) -> str:
    """The run's precision; a resumed run keeps the one it began with, on whichever machine it is now."""
    asked = recipe.training.precision
    kept = None if begins or asked != "auto" else first_precision(out)
    if kept:
        log.info("precision %s, as at the start of this run", kept)
    return kept or choose_precision(asked, device, config, recipe.longest)


def _batches(
    source: Source, recipe: Recipe, plan: MaskPlan, trial: Callable[[float], Trial], out: Path, *, of_fixed_shape: bool
) -> Batches:
    """The batches of the steps; if the recipe leaves the tokens of a microbatch open, the trial finds them."""
    training, corruption = recipe.training, recipe.masking.corruption
    batches = Batches(
        source, plan, corruption, training.seed, training.sequences_per_step, training.tokens_per_microbatch,
        workers=workers_for(training.workers), growth=recipe.growth,
    )  # fmt: skip
    if training.tokens_per_microbatch and not of_fixed_shape:
        return batches
    expected = expected_part(batches, SAMPLE_WINDOWS)  # its fraction is not the rate, which may be of bases
    tokens = training.tokens_per_microbatch or tokens_at_once(batches, trial(expected.masked_fraction), out)
    shape = BatchShape.of(expected, recipe.longest, tokens) if of_fixed_shape else None
    return replace(batches, tokens_per_microbatch=tokens, shape=shape)


def device_of(recipe: Recipe) -> tuple[torch.device, bool]:
    """The device of the run, and whether its model is compiled; SettingsError for what cannot run here."""
    device = choose_device(recipe.training.device)
    if device.type == "cuda":
        distributed.require_gpu()
    asked = recipe.training.precision
    dtype = computed_in(scoring_precision(device) if asked == "auto" else asked)  # a CPU's backend suits either
    backend = choose_backend(recipe.encoder.attention_backend, device, dtype)
    if why := slow_because(backend, device):
        log.warning("%s", why)
    return device, choose_compile(recipe.training.compile, device, backend, unpadding=recipe.encoder.unpadding)


def count_npmi(source: Source, recipe: Recipe) -> NpmiTable | None:
    """NPMI of the training bases, without the hold-out and the validation windows; None if tokens are not k-mers."""
    bases = source.training_bases
    if bases is None or not source.token_bases.of_kmers:
        return None
    masking, k = recipe.masking, source.token_bases.k
    table = NpmiTable.from_intervals(
        bases.codes,
        bases.intervals,
        max_n=max(k, 6),  # 6-mers also give the order-5 Markov floor
        min_count=masking.npmi_min_count,
        definition=masking.npmi_definition,
        strand=bases.strand,
        genome=bases.genome,
    )
    if (
        k > 1
        and needs_npmi(masking.strategy)
        and (warning := rarity_warning(table, [k], "masking.npmi_min_count or tokens.k"))
    ):
        log.warning(warning)
    return table


def new_model(recipe: Recipe, source: Source, origin: Origin | None, *, begins: bool) -> MosaicBertForMaskedLM:
    """An encoder with the weights of `origin`, or random ones from the seed alone; on resuming, its shape is enough."""
    tokenizer = source.tokenizer
    tokens = source.token_bases
    tells = POSITIONS[recipe.encoder.positions].tells_left_from_right or recipe.encoder.stem_width > 1
    if tokens.of_bases and not tokens.overlapping and not tells:
        log.warning(
            "tokens do not overlap, so an encoder with plain ALiBi cannot tell left from right; "
            "set encoder.positions=alibi-directed"
        )
    config = (
        origin.config(recipe.encoder)
        if origin
        else recipe.encoder.config(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)
    )
    require_memory(config)
    tokenizer.model_max_length = max(recipe.longest, config.max_position_embeddings)
    torch.manual_seed(recipe.training.seed)
    return origin.model(config) if origin and begins else MosaicBertForMaskedLM(config)


def require_memory(config: MosaicBertConfig) -> None:
    """Raises SettingsError for an encoder whose training state alone exceeds this machine's memory."""
    with torch.device("meta"):  # sizes without memory
        n_parameters = MosaicBertForMaskedLM(config).num_parameters()
    needed, there = n_parameters * BYTES_PER_PARAMETER, usable_memory()
    if needed > there:
        raise SettingsError(
            f"an encoder of {n_parameters:,} parameters needs {needed / 2**30:.1f} GiB to be trained, for weights, "
            f"gradients and moments alone, but this machine has {there / 2**30:.1f} GiB; reduce sizes in [encoder], "
            "such as encoder.hidden_size or encoder.num_hidden_layers."
        )


def _plan(source: Source, recipe: Recipe, mask_rate: float, table: NpmiTable | None) -> MaskPlan:
    masking = recipe.masking
    first = recipe.growth.last.first if recipe.growth else 0
    windows = source.train(first, SAMPLE_WINDOWS) if source.token_bases.of_bases else None
    return build_plan(
        masking.strategy,
        steps=recipe.training.steps,
        tokens=source.token_bases,
        mask_rate=mask_rate,
        npmi=table,
        match=masking.match,
        sample=(windows.input_ids, windows.cu_seqlens) if windows else None,
    )
