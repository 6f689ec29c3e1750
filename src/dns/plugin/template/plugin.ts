import type { ResourceRecord } from '../../message/message.ts';
import { zoneOf } from '../../message/name.ts';
import { className, typeName } from '../../message/numbers.ts';
import { parseRecord } from '../../message/record-text.ts';
import { RCODE, TYPE } from '../../wire/constants.ts';
import { definePlugin } from '../define.ts';
import {
  type Environment,
  type Next,
  type Plugin,
  type Query,
  type Reply,
  serverLabels,
} from '../plugin.ts';
import { answer } from '../reply.ts';
import type { TemplateData } from './compile.ts';
import {
  fits,
  parseTemplates,
  type RecordTemplate,
  type TemplateConfig,
  type TemplateRule,
} from './config.ts';

/** `template`: answers made of the question. */
export const template = definePlugin<TemplateConfig>({
  name: 'template',
  repeats: true,
  parse: parseTemplates,
  says: ({ rules }) =>
    rules.map(
      (rule) =>
        `answers ${className(rule.class)} ${typeName(rule.type)} below ${rule.zones.join(' ')} from a template`,
    ),
  create: ({ rules }, environment) => new Templates(rules, environment),
});

class Templates implements Plugin {
  readonly name = 'template';
  readonly #rules: readonly TemplateRule[];
  readonly #environment: Environment;

  constructor(rules: readonly TemplateRule[], environment: Environment) {
    this.#rules = rules;
    this.#environment = environment;
  }

  async handle(query: Query, next: Next): Promise<Reply | undefined> {
    const { question } = query.request;
    for (const rule of this.#rules) {
      if (!fits(rule.class, question.class) || !fits(rule.type, question.type)) continue;
      const zone = zoneOf(query.name, rule.zones);
      if (zone === undefined) continue;
      const match = this.#match(rule, query.name);
      if (match === undefined) {
        if (zoneOf(query.name, rule.fallthrough ?? []) !== undefined) continue;
        return answer(query, this.name, RCODE.SERVFAIL);
      }
      return await this.#fill(rule, zone, match, query);
    }
    return await next(query);
  }

  #match(rule: TemplateRule, name: string): RegExpExecArray | undefined {
    for (const regex of rule.matches) {
      const match = regex.exec(name);
      if (match !== null) return match;
    }
    return undefined;
  }

  async #fill(
    rule: TemplateRule,
    zone: string,
    match: RegExpExecArray,
    query: Query,
  ): Promise<Reply> {
    const { question } = query.request;
    const type = typeName(question.type);
    const labels = {
      ...serverLabels(query),
      zone,
      class: className(question.class),
      type,
    };
    this.#environment.metrics.count('coredns_template_matches_total', labels);
    const data: TemplateData = {
      zone,
      name: query.name,
      class: className(question.class),
      type,
      remote: query.context.client.toString(),
      match: [...match],
      group: match.groups ?? {},
    };
    const sections: ResourceRecord[][] = [];
    for (const section of ['answer', 'authority', 'additional'] as const) {
      const records: ResourceRecord[] = [];
      for (const each of rule[section]) {
        const record = this.#record(each, data, { ...labels, section, template: each.text });
        if (record === undefined) return answer(query, this.name, RCODE.SERVFAIL);
        records.push(record);
      }
      sections.push(records);
    }
    const [answers = [], authorities = [], additionals = []] = sections;
    const chased = await this.#chase(answers, query);
    const error = rule.extendedError;
    const reply = answer(query, this.name, rule.rcode, {
      aa: true,
      answers: [...answers, ...chased],
      authorities,
      additionals,
      ...(error === undefined ? {} : { extendedError: error.code, extendedText: error.text }),
    });
    return { ...reply, isLive: true };
  }

  #record(
    template: RecordTemplate,
    data: TemplateData,
    labels: Readonly<Record<string, string>>,
  ): ResourceRecord | undefined {
    const { metrics, log } = this.#environment;
    let text = '';
    try {
      text = template.fill(data);
    } catch (error) {
      metrics.count('coredns_template_template_failures_total', labels);
      log.error({ template: template.text, error: (error as Error).message }, 'template failed');
      return undefined;
    }
    try {
      return parseRecord(text);
    } catch (error) {
      metrics.count('coredns_template_rr_failures_total', labels);
      log.error(
        { template: template.text, error: (error as Error).message },
        'template made no record',
      );
      return undefined;
    }
  }

  /** The records a CNAME leads to, when the query was for another type. */
  async #chase(
    answers: readonly ResourceRecord[],
    query: Query,
  ): Promise<readonly ResourceRecord[]> {
    const { question } = query.request;
    const cname = answers.find(({ type }) => type === TYPE.CNAME);
    if (cname === undefined || question.type === TYPE.CNAME || answers.length > 1) return [];
    return await this.#environment.resolve(query, cname.rdata);
  }
}
