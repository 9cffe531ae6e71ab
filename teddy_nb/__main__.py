"The program behind the console commands; `python -m teddy_nb` is `teddy_distill`"

import os
import signal
import sys


def stop(signum, frame):
    "End a command while its modules still load"
    os.write(2, f"{command()}: stopped; the same command goes on from here\n".encode())
    os._exit(128 + signum)


def command():
    "Return the name that the program was called by"
    name = os.path.basename(sys.argv[0])
    return name if name.startswith("teddy_") else "teddy_distill"


def main():
    "Run the command; from here on a signal is answered with a sentence"
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # Threads that spin take minutes for seconds beside other work
    from teddy_nb.cli import run_command

    run_command(command(), sys.argv[1:])


if __name__ == "__main__":
    main()
