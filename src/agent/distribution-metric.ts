import { Histogram } from 'prom-client';
import type { Distribution } from '../dns/server/counters.ts';

/** One series of a histogram. */
export interface DistributionSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: Distribution;
}

/** A histogram whose counts are kept elsewhere, and read when somebody asks. */
export class DistributionMetric extends Histogram {
  readonly #own: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #read: () => readonly DistributionSample[];

  constructor(
    name: string,
    help: string,
    bounds: readonly number[],
    read: () => readonly DistributionSample[],
  ) {
    super({ name, help, registers: [] });
    this.#own = name;
    this.#help = help;
    this.#bounds = bounds;
    this.#read = read;
  }

  /** What the registry asks, and `get` too (prom-client 15); its types do not tell. */
  async getForPromString(): Promise<object> {
    const values = this.#read().flatMap(({ labels, value: { counts, sum } }) => {
      let total = 0;
      const buckets = counts.map((count, index) => {
        total += count;
        const le = this.#bounds[index] ?? '+Inf';
        return { labels: { ...labels, le }, value: total, metricName: `${this.#own}_bucket` };
      });
      return [
        ...buckets,
        { labels, value: sum, metricName: `${this.#own}_sum` },
        { labels, value: total, metricName: `${this.#own}_count` },
      ].map((value) => ({ ...value, sharedLabels: {} }));
    });
    return { name: this.#own, help: this.#help, type: 'histogram', values, aggregator: 'sum' };
  }
}
