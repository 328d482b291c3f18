"""Our own icons: the inside of a 24 × 24 picture each, drawn by stroke."""

from __future__ import annotations

from typing import Final

ICONS: Final = {
    "today": '<circle cx="12" cy="12" r="4"/>'
    '<path d="M12 3v2.5M12 18.5V21M3 12h2.5M18.5 12H21M5.6 5.6l1.8 1.8'
    'M16.6 16.6l1.8 1.8M18.4 5.6l-1.8 1.8M7.4 16.6l-1.8 1.8"/>',
    "signals": '<path d="M3 12h4l2.5-6 4 12 2.5-6h5"/>',
    "market": '<path d="M7 3v3M7 15v4M17 5v4M17 17v4M12 2v5M12 14v5"/>'
    '<rect x="5" y="6" width="4" height="9"/>'
    '<rect x="10" y="7" width="4" height="7"/><rect x="15" y="9" width="4" height="8"/>',
    "backtest": '<path d="M4 4v16h16"/><path d="M7.5 15l3.5-4.5 3 2.5L19.5 6"/><path d="M16 6h3.5v3.5"/>',
    "data": '<ellipse cx="12" cy="6" rx="7.5" ry="3"/>'
    '<path d="M4.5 6v12c0 1.7 3.4 3 7.5 3s7.5-1.3 7.5-3V6M4.5 12c0 1.7 3.4 3 7.5 3s7.5-1.3 7.5-3"/>',
    "admin": '<path d="M4 7h9M17 7h3M4 17h3M11 17h9"/><circle cx="15" cy="7" r="2"/>'
    '<circle cx="9" cy="17" r="2"/>',
    "search": '<circle cx="11" cy="11" r="6.5"/><path d="M16 16l4.5 4.5"/>',
    "person": '<circle cx="12" cy="8.5" r="3.5"/><path d="M5 20c.6-3.8 3.4-6 7-6s6.4 2.2 7 6"/>',
    "tune": '<path d="M5 4v7M5 15v5M12 4v3M12 11v9M19 4v10M19 18v2"/><path d="M3 13h4M10 9h4M17 16h4"/>',
    "fold": '<rect x="3.5" y="4.5" width="17" height="15" rx="2"/>'
    '<path d="M9 4.5v15M16 9.5L13.5 12l2.5 2.5"/>',
    "keys": '<rect x="3" y="6" width="18" height="12" rx="2"/>'
    '<path d="M7 10h.01M11 10h.01M15 10h.01M17.5 10h.01'
    'M8 14h8"/>',
    "close": '<path d="M6 6l12 12M18 6L6 18"/>',
    "warning": '<path d="M12 4L2.8 19.5h18.4z"/><path d="M12 10v4.5M12 17h.01"/>',
    "error": '<circle cx="12" cy="12" r="8.5"/><path d="M12 7.5v5.5M12 16.2h.01"/>',
    "info": '<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5.5M12 7.8h.01"/>',
    "play": '<path d="M8 5.5v13l10.5-6.5z"/>',
    "back": '<path d="M15 5l-7 7 7 7"/>',
    "download": '<path d="M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14"/>',
    "stop": '<rect x="6.5" y="6.5" width="11" height="11" rx="1.5"/>',
    "sheet": '<rect x="4" y="4" width="16" height="16" rx="2"/><path d="M4 10h16M10 10v10"/>',
}
