import type { Question } from './questions.ts';

/** What of an answer is compared: all but the order, the serial and what caches count down. */
export interface Compared {
  readonly rcode: string;
  readonly aa: boolean;
  /** `owner TTL TYPE data`, sorted. */
  readonly answers: readonly string[];
  readonly authority: readonly string[];
}

/** All that CoreDNS said, to hold one of its answers against another. */
export class Theirs {
  readonly #byQuestion = new Map<string, Compared>();
  /** Names that exist by CoreDNS's own word, and those above them. */
  readonly #existing = new Set<string>();

  constructor(asked: readonly Question[], answers: readonly Compared[]) {
    asked.forEach(({ name, type }, index) => {
      const answer = answers[index];
      if (answer === undefined) return;
      this.#byQuestion.set(`${name} ${type}`, answer);
      // For SOA it says that every name there may be exists.
      if (type === 'SOA' || answer.rcode !== 'NOERROR') return;
      const labels = name.toLowerCase().split('.');
      labels.forEach((_, start) => {
        this.#existing.add(labels.slice(start).join('.'));
      });
    });
  }

  at(name: string, type: string): Compared | undefined {
    return this.#byQuestion.get(`${name} ${type}`);
  }

  /** Whether there is something at the name or below it, by an answer to any other question. */
  exists(name: string): boolean {
    return this.#existing.has(name.toLowerCase());
  }
}

/** A way in which ours is meant to differ from CoreDNS v1.15.0. */
export interface Difference {
  /** Why, with the rule we follow. */
  readonly why: string;
  readonly is: (question: Question, ours: Compared, theirs: Compared, all: Theirs) => boolean;
}

const isNodata = ({ rcode, answers, authority }: Compared) =>
  rcode === 'NOERROR' && answers.length === 0 && authority.length === 1;
const withoutTtl = ({ answers }: Compared) =>
  answers.map((record) => record.replace(/ \d+ /, ' ')).join('\n');

/** All of them; what is none of these is a fault. */
export const DIFFERENCES: readonly Difference[] = [
  {
    why: 'a name that exists, or has one below it, gives "no such type" and not NXDOMAIN (RFC 2308 section 2.2, RFC 8020)',
    is: ({ name }, ours, theirs, all) =>
      isNodata(ours) && theirs.rcode === 'NXDOMAIN' && all.exists(name),
  },
  {
    why: 'SOA of a name that does not exist is NXDOMAIN as every other type; CoreDNS says "no such type" there',
    is: ({ name, type }, ours, theirs, all) =>
      type === 'SOA' &&
      isNodata(theirs) &&
      ours.rcode === 'NXDOMAIN' &&
      ours.answers.length === 0 &&
      all.at(name, 'A')?.rcode === 'NXDOMAIN',
  },
  {
    why: 'an ExternalName is a CNAME for every type (RFC 1034 section 3.6.2), and with the rcode of where it leads (RFC 6604); CoreDNS leaves it out unless addresses are found',
    is: ({ name }, ours, theirs, all) => {
      const [cname] = all.at(name, 'CNAME')?.answers ?? [];
      return cname !== undefined && isNodata(theirs) && ours.answers.includes(cname);
    },
  },
  {
    why: "the TTL of an ExternalName's CNAME is its own; CoreDNS takes the lowest of the whole answer",
    is: ({ name }, ours, theirs) =>
      name.startsWith('external-') && withoutTtl(ours) === withoutTtl(theirs),
  },
  {
    why: 'a pod has no ports: SRV at its name is "no such type"; CoreDNS gives one with port 0',
    is: ({ name, type }, ours, theirs) =>
      type === 'SRV' &&
      name.endsWith('.pod.cluster.local') &&
      isNodata(ours) &&
      theirs.answers.every((record) => record.includes(' SRV 0 100 0 ')),
  },
  {
    why: 'the NS of a reverse zone is a name that exists; CoreDNS puts the Service below the reverse zone',
    is: ({ name, type }, ours, theirs) =>
      type === 'NS' &&
      name.endsWith('.arpa') &&
      ours.answers.join().endsWith(' NS kube-dns.kube-system.svc.cluster.local') &&
      theirs.answers.join().endsWith(` NS kube-dns.kube-system.svc.${name}`),
  },
  {
    why: 'ns.dns has the address of this very server; CoreDNS gives that of the Service it is behind',
    is: ({ name, type }, ours, theirs) =>
      name === 'ns.dns.cluster.local' &&
      type === 'A' &&
      ours.answers.join() === `${name} 30 A 172.31.0.53` &&
      theirs.answers.join() === `${name} 30 A 10.96.0.10`,
  },
  {
    why: 'cache does not cut the TTL of what it does not keep: dns-version keeps its 28800 s',
    is: ({ name, type }, ours, theirs) =>
      name === 'dns-version.cluster.local' &&
      type === 'TXT' &&
      withoutTtl(ours) === withoutTtl(theirs),
  },
  {
    why: "the zone's own NS and SOA are found in any case (RFC 4343); CoreDNS compares letters",
    is: ({ name, type }, ours, theirs) =>
      name === 'CLUSTER.LOCAL' && type === 'NS' && ours.answers.length === 1 && isNodata(theirs),
  },
];
