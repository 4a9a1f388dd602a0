"""The console's own colours; every other theme of Textual works too."""

from textual.theme import Theme

THEME = Theme(
    name="control-room",
    # Okabe and Ito's colours, lightened for a dark ground: told apart by colour-blind eyes too.
    primary="#56B4E9",
    secondary="#0072B2",
    accent="#56B4E9",
    success="#2BC79A",
    warning="#F0B030",
    error="#FF7B5A",
    foreground="#D8DEE6",
    background="#0B0F14",
    surface="#121821",
    panel="#1A222D",
    dark=True,
    variables={"footer-key-foreground": "#56B4E9"},
)
