"""How the window's ordinary widgets look: one sheet, the colours of the scene."""

SHEET = """
QMainWindow, QWidget#ground { background: #04060d; }
QFrame#box { background: rgba(8, 15, 31, 244); border: 1px solid rgba(120, 152, 214, 110);
             border-radius: 10px; }
QFrame#drawer { background: rgba(8, 15, 31, 236); border-left: 1px solid rgba(120, 152, 214, 70); }
QLabel { color: #e6eeff; font-family: Inter; font-size: 12px; background: transparent; }
QLabel#title { font-size: 17px; font-weight: 600; }
QLabel#dim { color: #8ea3c9; }
QLabel#mono { font-family: "JetBrains Mono"; }
QLabel#void { color: #ff5a36; font-weight: 600; }
QLabel#toast { background: rgba(8, 15, 31, 240); border-radius: 8px; padding: 8px 14px;
               border: 1px solid rgba(120, 152, 214, 110); }
QPushButton { color: #e6eeff; background: rgba(63, 111, 181, 70); border-radius: 7px;
              border: 1px solid rgba(120, 152, 214, 90); padding: 6px 10px; font-family: Inter;
              font-size: 12px; text-align: left; }
QPushButton:hover { background: rgba(86, 180, 233, 90); }
QPushButton:focus { border: 1px solid #56b4e9; }
QPushButton:disabled { color: #5d7299; background: rgba(40, 60, 100, 30);
                       border: 1px solid rgba(120, 152, 214, 30); }
QPushButton#careful { background: rgba(255, 90, 54, 70); border: 1px solid rgba(255, 90, 54, 130); }
QLineEdit { color: #e6eeff; background: rgba(4, 8, 18, 235); border-radius: 8px; padding: 8px 12px;
            border: 1px solid #56b4e9; font-family: Inter; font-size: 14px; }
QScrollArea, QScrollArea > QWidget > QWidget { background: transparent; border: none; }
QScrollBar:vertical { background: transparent; width: 8px; }
QScrollBar::handle:vertical { background: rgba(120, 152, 214, 90); border-radius: 4px; }
QScrollBar::add-line, QScrollBar::sub-line { height: 0; }
"""
