"""Entry point of `python -m rkruntime.dropin`."""

from rkruntime.dropin._main import main

if __name__ == "__main__":
    main()
