// The page: which address shows what, who is signed in, light or dark.

import "./app.css";
import "uplot/dist/uPlot.min.css";
import { render } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { Create } from "./create";
import type { Feed } from "./feed";
import { Button, Icon, Problem } from "./parts";
import { Studies } from "./studies";
import { StudyPage, TABS } from "./study";
import { TrialPage } from "./trial";
import { call, get, onUnauthorized, post, type Session } from "./wire";

declare global { interface Window { bonanzaTheme: (theme: "light" | "dark") => void } }

function App() {
  const [path, setPath] = useState(location.pathname);
  const [session, setSession] = useState<Session | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [feed, setFeed] = useState<Feed | null>(null);
  const go = useCallback((to: string) => { history.pushState(null, "", to); setPath(to); scrollTo(0, 0); }, []);
  const read = useCallback(() => { get<Session>("/ui/session").then((found) => { setSession(found); setError(null); }, (found: Error) => { setError(found); setTimeout(read, 3000); }); }, []);
  useEffect(() => {
    read();
    onUnauthorized.tell = () => setSession((now) => now && { ...now, signed_in: false, scopes: [] });
    const back = () => setPath(location.pathname);
    const follow = (event: MouseEvent) => {
      const link = (event.target as Element).closest?.("a");
      if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target || link.hasAttribute("download")) return;
      const url = new URL(link.href);
      if (url.origin !== location.origin || !(url.pathname === "/ui" || url.pathname.startsWith("/ui/"))) return;
      event.preventDefault();
      go(url.pathname);
    };
    addEventListener("popstate", back);
    document.addEventListener("click", follow);
    return () => { removeEventListener("popstate", back); document.removeEventListener("click", follow); };
  }, []);
  const parts = path.split("/").filter(Boolean).slice(1).map(decodeURIComponent);
  const [section, name, inner, number] = parts;
  const trial = section === "studies" && inner === "trials" && number !== undefined && /^\d+$/.test(number) ? Number(number) : null;
  useEffect(() => { document.title = [trial !== null ? `trial ${trial}` : null, name ?? (section === "new" ? "New study" : null), "Bonanza"].filter(Boolean).join(" · "); }, [path]);
  const locked = session !== null && session.needed && !session.signed_in;
  const page = () => {
    if (error && !session) return <main><h1>Bonanza</h1><Problem error={error} /></main>;
    if (!session) return <main />;
    if (locked) return <Login done={read} />;
    const may = session.scopes.includes("write") || session.scopes.includes("admin");
    if (section === undefined) return <Studies go={go} />;
    if (section === "new" && name === undefined) return <Create go={go} />;
    if (section === "studies" && name !== undefined) {
      if (trial !== null) return <TrialPage key={name} name={name} number={trial} go={go} may={may} connected={setFeed} />;
      const tab = TABS.find(([key]) => key === (inner ?? ""));
      if (tab && number === undefined) return <StudyPage key={name} name={name} tab={tab[0]} go={go} may={may} connected={setFeed} />;
    }
    return <main class="welcome"><h1>There is nothing here</h1><p><code>{path}</code> is no page of the dashboard.</p><p><a class="button plain" href="/ui">All studies</a></p></main>;
  };
  return (
    <>
      <a class="skip" href="#content">To the content</a>
      <header class="top">
        <a class="brand" href="/ui" aria-label="Bonanza, all studies"><Logo /><span>Bonanza</span></a>
        {!locked && section === "studies" && name && <nav class="crumbs" aria-label="Where you are"><a href="/ui">Studies</a><span aria-hidden="true">/</span><a href={`/ui/studies/${encodeURIComponent(name)}`} aria-current={trial === null ? "page" : undefined}>{name}</a>{trial !== null && <><span aria-hidden="true">/</span><a href={path} aria-current="page">trial {trial}</a></>}</nav>}
        {!locked && section === "new" && <nav class="crumbs" aria-label="Where you are"><a href="/ui">Studies</a><span aria-hidden="true">/</span><a href="/ui/new" aria-current="page">New</a></nav>}
        <span class="spacer" />
        {feed && !locked && <Pulse feed={feed} />}
        <Theme />
        {session?.needed && session.signed_in && <Button icon="key" kind="quiet" title="Sign out" onClick={() => void call("DELETE", "/ui/session").then(read)} />}
      </header>
      <div id="content">{page()}</div>
    </>
  );
}

function Logo() {
  return <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" fill="var(--logo)" /><g fill="none" stroke="#8fa6d9" stroke-width="1.8"><path d="M16 7.5 8.5 16 16 24.5 23.5 16z" /><path d="M16 7.5v17M8.5 16h15" /></g><g fill="#c9d6f5"><circle cx="8.5" cy="16" r="2.6" /><circle cx="23.5" cy="16" r="2.6" /><circle cx="16" cy="24.5" r="2.6" /></g><circle cx="16" cy="7.5" r="3.6" fill="#f5b301" /></svg>;
}

function Pulse({ feed }: { feed: Feed }) {
  const [, redraw] = useState(0);
  useEffect(() => feed.subscribe(() => redraw((n) => n + 1)), [feed]);
  if ((feed.error as { status?: number } | null)?.status === 404) return null; // the page says that there is no such study
  const text = { live: "live", connecting: "connecting", resting: "resting", away: "server away" }[feed.connection];
  return <span class={`pulse ${feed.connection}`} role="status"><i />{text}</span>;
}

function Theme() {
  const [, redraw] = useState(0);
  useEffect(() => { const turned = () => redraw((n) => n + 1); addEventListener("bonanza-theme", turned); return () => removeEventListener("bonanza-theme", turned); }, []);
  const dark = document.documentElement.dataset.theme === "dark";
  return <Button icon={dark ? "sun" : "moon"} kind="quiet" title={dark ? "Light" : "Dark"} onClick={() => window.bonanzaTheme(dark ? "light" : "dark")} />;
}

function Login({ done }: { done: () => void }) {
  const [key, setKey] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    try { await post("/ui/session", { key }); setError(null); done(); } catch (found) { setError(found as Error); }
  };
  return (
    <main class="login">
      <form class="card" onSubmit={(event) => void submit(event)}>
        <Icon name="key" size={28} />
        <h1>This server needs a key</h1>
        <p class="lead"><code>bonanza key create</code> makes one, on the server's machine. It is not kept here: your browser gets a session that lasts a month, or as long as the key, and may do what the key may.</p>
        <label class="field wide"><span>Key</span><input type="password" autocomplete="current-password" required autofocus value={key} onInput={(event) => setKey(event.currentTarget.value)} /></label>
        {error && <Problem error={error} />}
        <Button type="submit" kind="primary" disabled={!key}>Sign in</Button>
      </form>
    </main>
  );
}

const root = document.getElementById("app");
if (root) render(<App />, root);
