import os
import signal
import subprocess
import sys
import time

CHILD_AND_PARENT = """
import multiprocessing, os, signal, sys, time
from genomask.training.signals import listen_for_stop, stop_with_parent

def arm():
    with listen_for_stop() as stop:
        stop_with_parent()
        print(os.getpid(), flush=True)
        while not stop.signal_number:
            time.sleep(0.01)
        print(f"asked to stop by {stop.signal_number}", flush=True)

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=arm).start()
    time.sleep(60)
"""


INTERRUPTED_WHILE_IT_IMPORTS = """
import multiprocessing, os, signal
from genomask.training.signals import interrupts_held, take_interrupts

if __name__ != "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it
    os.kill(os.getpid(), signal.SIGINT)

def arm():
    try:
        take_interrupts()
    except KeyboardInterrupt:
        print("interrupted where it can say so", flush=True)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=arm)
    with interrupts_held():
        process.start()
    process.join()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
"""


def test_an_interrupt_while_a_process_imports_is_delivered_afterwards(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(INTERRUPTED_WHILE_IT_IMPORTS)
    said = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert (said.stdout, said.stderr) == ("interrupted where it can say so\n", "")


def test_an_arm_is_asked_to_stop_when_its_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(CHILD_AND_PARENT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    arm = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert parent.stdout.readline() == f"asked to stop by {signal.SIGTERM.value}\n"
    deadline = time.time() + 10
    while time.time() < deadline and is_there(arm):
        time.sleep(0.05)
    assert not is_there(arm)


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
