import type { Option } from './option.ts';
import type { YamlValue } from './value-type.ts';

/** Beyond these, words are taken for something else by YAML, or by who reads it. */
const PLAIN = /^(?:[A-Za-z/][\w./-]*|(?:\d+(?:h|m|s|ms))+)$/;
const WORD = /^(?:true|false|null|yes|no|on|off|y|n)$/i;

/** A value as YAML on one line; JSON is YAML, too. */
export function yamlText(value: YamlValue): string {
  if (typeof value === 'string') {
    return PLAIN.test(value) && !WORD.test(value) ? value : JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((each) => yamlText(String(each))).join(', ')}]`;
  return JSON.stringify(value);
}

/** What holds where nothing is said, for people. */
export function defaultText({ type, default: value, defaultDoc }: Option<unknown>): string {
  if (defaultDoc !== undefined) return defaultDoc.replaceAll('`', '');
  const formatted = type.format(value);
  return formatted === null ? 'none' : yamlText(formatted);
}
