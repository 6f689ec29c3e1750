import type { Publication } from '../../dns/followed-zone.ts';
import { isoOrNull } from './report.ts';
import type { DnsStatus } from './status.ts';

/** What is remembered of the DNS names that were published. */
export class PublicationRecord {
  #names = 0;
  #tableBytes = 0;
  #generation = 0;
  #atMs: number | undefined;

  published({ names, tableBytes }: Publication): void {
    this.#names = names;
    this.#tableBytes = tableBytes;
    this.#generation += 1;
    this.#atMs = Date.now();
  }

  status(): Pick<DnsStatus, 'names' | 'tableBytes' | 'generation' | 'publishedAt'> {
    return {
      names: this.#names,
      tableBytes: this.#tableBytes,
      generation: this.#generation,
      publishedAt: isoOrNull(this.#atMs),
    };
  }
}
