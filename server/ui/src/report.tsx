// What a study found, in the terms of "NAS evaluation is frustratingly hard": against random cells, confirmed, answered point by point.

import { useEffect, useState } from "preact/hooks";
import { delta, hours, plural, signed, value } from "./format";
import { Card, Icon, Problem, Skeleton } from "./parts";
import { Confirmed } from "./phases";
import type { Results } from "./results";
import { get, studyPath, type StudyColumns } from "./wire";

interface Sample { n: number; mean: number; std: number | null; min: number; max: number }
interface Report {
  relative_improvement: { value: number; interval: { low: number; high: number; level: number; method: string } | null; searched: Sample; random: Sample; note: string } | null;
  random_sample: Sample | null;
  recommended: { number: number; mean: number; std: number | null; count: number; confirmed: boolean; confirm_values: number[]; luckiest_number: number; luckiest_value: number } | null;
  cost: { baseline_hours: number; search_hours: number; confirm_hours: number; other_hours: number; failed_hours: number; fit_hours: number; wall_hours: number } | null;
  phases: Record<string, number>;
  checklist: { question: string; answer: "yes" | "no" | "not enough data"; evidence: string }[];
  missing: { part: string; reason: string }[];
}

export function ReportTab({ columns, results, colours, open }: { columns: StudyColumns; results: Results; colours: Record<string, string>; open: (number: number) => void }) {
  const [report, setReport] = useState<Report | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const path = `${studyPath(columns.study.name)}/report`;
  useEffect(() => { get<Report>(path).then((read) => { setReport(read); setError(null); }, setError); }, [path, columns.study.trials.complete]);
  if (error && !report) return <Problem error={error} />;
  if (!report) return <Skeleton height={360} />;
  const { relative_improvement: ri, random_sample: random, recommended, cost } = report;
  const sample = (one: Sample) => `${value(one.mean)}${one.std === null ? "" : ` ± ${delta(one.std)}`} (${plural(one.n, "value")})`;
  const marks = { yes: "check", no: "close", "not enough data": "search" } as const;
  return (
    <div class="halves">
      <Confirmed columns={columns} results={results} colours={colours} open={open} />
      <div class="stack">
        <Card title="Against random cells" note={ri?.note}>
          {ri ? (
            <>
              <p class="hero">{signed(ri.value)} %{ri.interval && <small>{signed(ri.interval.low)} to {signed(ri.interval.high)} %, {Math.round(ri.interval.level * 100)} % interval</small>}</p>
              <dl class="facts"><dt>searched</dt><dd>{sample(ri.searched)}</dd><dt>random</dt><dd>{sample(ri.random)}</dd></dl>
            </>
          ) : <p class="lead">{random ? `Random cells reach ${sample(random)}.` : "The study has no random baseline to be measured against."}</p>}
        </Card>
        {recommended && (
          <Card title="Recommended cell" aside={<button type="button" class="link" onClick={() => open(recommended.number)}>trial {recommended.number}</button>}>
            <dl class="facts">
              <dt>expected</dt><dd>{value(recommended.mean)}{recommended.std !== null && ` ± ${delta(recommended.std)}`}</dd>
              <dt>measured</dt><dd>{plural(recommended.count, "time")}{recommended.confirmed && `, confirmed by ${plural(recommended.confirm_values.length, "further training")}`}</dd>
              <dt>single best value</dt><dd><button type="button" class="link" onClick={() => open(recommended.luckiest_number)}>trial {recommended.luckiest_number}</button>, {value(recommended.luckiest_value)}</dd>
            </dl>
          </Card>
        )}
        {cost && (
          <Card title="What it took">
            <dl class="facts">
              {([["search", cost.search_hours], ["baseline", cost.baseline_hours], ["confirmation", cost.confirm_hours], ["other trials", cost.other_hours], ["failures", cost.failed_hours], ["fitting", cost.fit_hours], ["wall clock", cost.wall_hours]] as const).filter(([, spent]) => spent > 0).map(([name, spent]) => <><dt key={name}>{name}</dt><dd>{hours(spent * 3600)}</dd></>)}
            </dl>
          </Card>
        )}
        <Card title="To keep">
          <div class="copies first"><a class="button plain" href={`${path}?format=html`} download={`${columns.study.name}.html`}><Icon name="download" />HTML</a><a class="button plain" href={`${path}?format=markdown`} download={`${columns.study.name}.md`}><Icon name="download" />Markdown</a><a class="button plain" href={`${studyPath(columns.study.name)}/export`} download={`${columns.study.name}.ndjson`}><Icon name="download" />The whole study</a></div>
        </Card>
      </div>
      <div class="stack">
        <Card title="Can it be believed?" note="The recommendations of Yang et al. 2020, “NAS evaluation is frustratingly hard”, answered from the data.">
          <ul class="checklist">
            {report.checklist.map((point) => (
              <li key={point.question} class={point.answer === "yes" ? "yes" : point.answer === "no" ? "no" : "open"}><Icon name={marks[point.answer]} /><div><strong>{point.question}</strong><p>{point.evidence}</p></div></li>
            ))}
          </ul>
        </Card>
        {report.missing.length > 0 && <Card title="Not told yet"><ul class="checklist">{report.missing.map((one) => <li key={one.part}><div><strong>{one.part.replaceAll("_", " ")}</strong><p>{one.reason}</p></div></li>)}</ul></Card>}
      </div>
    </div>
  );
}
