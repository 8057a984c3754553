// A small chart: lines or stacked areas over the last minutes, with the latest value in words.
import { useId } from 'preact/hooks';

const width = 320;
const height = 84;

/** `series` are {name, points, tone}; `format` says a value. */
export function Chart({ title, series, format, hint }) {
  const id = useId();
  const length = Math.max(2, ...series.map((s) => s.points.length));
  const top = niceTop(Math.max(0, ...series.flatMap((s) => s.points)));
  const x = (i, n) => width - ((n - 1 - i) * width) / (Math.max(length, 30) - 1);
  const y = (v) => height - 2 - (v / top) * (height - 10);
  const now = series.map((s) => `${s.name} ${format(s.points.at(-1) ?? 0)}`).join(', ');
  return (
    <figure class="chart">
      <figcaption id={id}><span>{title}</span>
        {series.map((s) => <span key={s.name} class={`key tone-${s.tone}`}><b>{format(s.points.at(-1) ?? 0)}</b> {s.name}</span>)}
      </figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={`${title}: ${now}`}>
        <line class="base" x1="0" x2={width} y1={height - 2} y2={height - 2} />
        {series.map((s) => s.points.length > 1 && (
          <g key={s.name} class={`tone-${s.tone}`}>
            <path class="area" d={`M${x(0, s.points.length)} ${height - 2} ${s.points.map((v, i) => `L${x(i, s.points.length)} ${y(v)}`).join(' ')} L${width} ${height - 2}Z`} />
            <path class="line" d={s.points.map((v, i) => `${i ? 'L' : 'M'}${x(i, s.points.length)} ${y(v)}`).join(' ')} />
          </g>
        ))}
      </svg>
      <small class="soft"><span>{hint}</span><span>{format(top)}</span></small>
    </figure>
  );
}

/** The first of 1, 2, 5, 10 … that is not below the value. */
function niceTop(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((f) => f * power).find((f) => f >= value);
}
