"""`python -m controller`: hands over to the verbs."""

from controller.cli import main

if __name__ == "__main__":
    main()
