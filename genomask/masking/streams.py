"""One number for each purpose of a random draw in masking and corruption, so that no two purposes share bits."""

CENTRE = 11
"""Whether a base is a centre; position: the base within its sequence."""
TOKEN = 12
"""Whether a token (or the word that starts at it) is masked; position: the token within its sequence."""
TOKEN_SCORE = 13
"""What stands for a token's NPMI in random-span; position: the token within its sequence."""
TOKEN_TIE = 14
"""Which of several equally good tokens a centre takes; position: centre, then which of its tokens."""
CENTRE_TIE = 15
"""Which of several equally good centres counts as better; position: the base within its sequence."""
ACTION = 16
"""Whether a span (or token) becomes [MASK], random, or stays; position: the number of the span, or the token."""
NEW_BASE = 17
"""The base that replaces a hidden one; position: the base within its sequence."""
NEW_TOKEN = 18
"""The token that replaces a masked one; position: the token within its sequence."""
SPAN_LENGTH = 19
"""How many bases (or words) a span hides; position: its centre within its sequence."""
GLOBAL_TIE = 20
"""Which of several equally good tokens of a sequence comes first; position: the token within its sequence."""
MIXED = 21
"""Which of two strategies masks a sequence; position: 0."""
SHUFFLE = 22
"""The order in which the NPMI is dealt out anew; key: 0, position: the k-mer's number."""
