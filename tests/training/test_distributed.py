from contextlib import nullcontext

import pytest

from genomask.errors import SettingsError
from genomask.training import distributed
from genomask.training.distributed import World, being, mine, part, refuse_several, require_gpu, require_part, session


@pytest.mark.parametrize(("count", "size"), [(8, 1), (8, 2), (7, 3), (2000, 64), (5, 5)])
def test_the_parts_of_a_step_are_all_of_it_in_order_and_none_is_empty(count, size):
    taken = []
    for rank in range(size):
        with being(World(rank, size)):
            first, n = part(100, count)
        taken += range(first, first + n)
        assert n in (count // size, -(-count // size))
    assert taken == list(range(100, 100 + count))


def test_every_item_is_scored_by_one_process():
    scored = []
    for rank in range(3):
        with being(World(rank, 3)):
            scored += mine(7)
    assert sorted(scored) == list(range(7))


def test_more_processes_than_sequences_are_refused():
    with being(World(0, 4)):
        require_part(4)
        with pytest.raises(SettingsError, match="sequences_per_step is 3, too few for 4 processes"):
            require_part(3)


@pytest.mark.parametrize(("gpus", "refused"), [(2, None), (1, "for 1 GPU; give torchrun --nproc-per-node 1, or set")])
def test_more_processes_than_gpus_are_refused(gpus, refused, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with being(World(1, 2, local_rank=1)), pytest.raises(SettingsError, match=refused) if refused else nullcontext():
        require_gpu()
    require_gpu()  # a single process takes what there is


def test_a_launcher_that_is_not_torchrun_is_refused_with_one_clear_error(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match="RANK is not set; start several processes with torchrun"), session():
        pass
    with pytest.raises(SettingsError, match="compare runs as one process, or starts its own"):
        refuse_several("compare")
    monkeypatch.setenv("WORLD_SIZE", "many")
    with pytest.raises(SettingsError, match="'many', which is not a number of processes"), session():
        pass
    monkeypatch.setenv("WORLD_SIZE", "1")
    refuse_several("compare")
    with session():
        assert (distributed.rank(), distributed.size()) == (0, 1)
