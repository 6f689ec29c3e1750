import { type Labels, METRICS, type MetricName, type Metrics } from '../dns/plugin/metrics.ts';
import type { DistributionSample } from './distribution-metric.ts';

/** Series of one metric; what strangers ask for must not make more. */
const SERIES_MAX = 10_000;

interface NumberSample {
  readonly labels: Labels;
  value: number;
}

interface Observed {
  readonly labels: Labels;
  readonly value: { readonly counts: number[]; sum: number };
}

/** What the plugins of a Corefile count, by metric and labels. */
export class PluginMetrics implements Metrics {
  readonly #numbers = new Map<MetricName, Map<string, NumberSample>>();
  readonly #observed = new Map<MetricName, Map<string, Observed>>();

  count(name: MetricName, labels: Labels = {}, by = 1): void {
    const sample = this.#number(name, labels);
    if (sample !== undefined) sample.value += by;
  }

  set(name: MetricName, labels: Labels, value: number): void {
    const sample = this.#number(name, labels);
    if (sample !== undefined) sample.value = value;
  }

  observe(name: MetricName, labels: Labels, value: number): void {
    const definition = METRICS[name];
    const bounds: readonly number[] = 'buckets' in definition ? definition.buckets : [];
    const series = seriesOf(this.#observed, name);
    const key = keyOf(labels);
    let observed = series.get(key);
    if (observed === undefined) {
      if (series.size >= SERIES_MAX) return;
      observed = { labels, value: { counts: [...bounds.map(() => 0), 0], sum: 0 } };
      series.set(key, observed);
    }
    const bound = bounds.findIndex((each) => value <= each);
    const at = bound < 0 ? bounds.length : bound;
    observed.value.counts[at] = (observed.value.counts[at] ?? 0) + 1;
    observed.value.sum += value;
  }

  /** Forgets all series of a gauge that says what is there. */
  clear(name: MetricName): void {
    this.#numbers.delete(name);
  }

  /** The series of a counter or gauge. */
  numbers(name: MetricName): readonly NumberSample[] {
    return [...(this.#numbers.get(name)?.values() ?? [])];
  }

  /** The series of a histogram. */
  distributions(name: MetricName): readonly DistributionSample[] {
    return [...(this.#observed.get(name)?.values() ?? [])];
  }

  #number(name: MetricName, labels: Labels): NumberSample | undefined {
    const series = seriesOf(this.#numbers, name);
    const key = keyOf(labels);
    const known = series.get(key);
    if (known !== undefined || series.size >= SERIES_MAX) return known;
    const sample = { labels, value: 0 };
    series.set(key, sample);
    return sample;
  }
}

function seriesOf<Sample>(
  all: Map<MetricName, Map<string, Sample>>,
  name: MetricName,
): Map<string, Sample> {
  const known = all.get(name);
  if (known !== undefined) return known;
  const series = new Map<string, Sample>();
  all.set(name, series);
  return series;
}

function keyOf(labels: Labels): string {
  let key = '';
  for (const name in labels) key += `${name}\0${labels[name]}\0`;
  return key;
}
