// Bundles the page into ../bonanza_server/dashboard/assets. The same sources and lock file give the same bytes.
import { build } from "esbuild";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";

const out = "../bonanza_server/dashboard/assets";
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  entryPoints: { app: "src/app.tsx" },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  outdir: out,
  legalComments: "none",
  external: ["*.woff2"],
  logLevel: "warning",
});
for (const name of ["theme.js", "icon.svg"]) await cp(`src/${name}`, `${out}/${name}`);
const fonts = { inter: "inter-latin-wght-normal", "jetbrains-mono": "jetbrains-mono-latin-wght-normal" };
for (const [family, file] of Object.entries(fonts))
  await cp(`node_modules/@fontsource-variable/${family}/files/${file}.woff2`, `${out}/${family}.woff2`);
const licences = [
  ["Preact", "preact/LICENSE"],
  ["uPlot", "uplot/LICENSE"],
  ["Inter", "@fontsource-variable/inter/LICENSE"],
  ["JetBrains Mono", "@fontsource-variable/jetbrains-mono/LICENSE"],
];
const texts = await Promise.all(
  licences.map(async ([name, file]) => `${name}\n${"=".repeat(name.length)}\n\n${(await readFile(`node_modules/${file}`, "utf8")).trim()}\n`),
);
await writeFile(`${out}/licences.txt`, texts.join("\n\n"));
