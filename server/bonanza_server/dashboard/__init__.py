"""The dashboard at ``/ui``: one page of our own making, served by the API process, that talks to the same API as everybody else.

Why it is built as it is. What is watched here is alive: charts that grow, a map that blinks, ten thousand rows that scroll. That is state in the
browser, so pages rendered by the server would need as much script beside them as a small application is. So it is one: TypeScript (the wire's types
are checked where they are drawn) on Preact (4 kB) with uPlot for the charts (20 kB; a canvas draws ten thousand points in some milliseconds, where SVG
libraries of ten times the size need seconds), a style sheet of our own, and esbuild, one binary, to put them into one file. Four packages with no
dependencies of their own, fixed by a lock file, which have kept their interfaces for many years; no framework's router, store or component kit to be
migrated every second year. ``make ui`` builds the same bytes from ``server/ui`` anywhere; what it builds is committed beside this file, so that
nobody needs Node to run, test or package the server. Nothing is loaded from anywhere else, and the page's content security policy forbids it.
"""
