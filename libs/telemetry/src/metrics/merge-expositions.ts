/** The metrics of one process as text. */
export interface ProcessExposition {
  /** Value of the label `process`. */
  readonly process: string;
  readonly text: string;
}

interface Family {
  readonly head: string[];
  readonly samples: string[];
}

const END = '# EOF';

/**
 * Merges texts of `writeExposition`, all in one format: each metric has its description once, and each sample the label `process`, because
 * a counter of one process says nothing about the counter of another.
 */
export function mergeExpositions(expositions: readonly ProcessExposition[]): string {
  const families = new Map<string, Family>();
  let isOpen = false;
  for (const { process, text } of expositions) {
    let family: Family = { head: [], samples: [] };
    let isNew = false;
    for (const line of text.split('\n')) {
      if (line === END) isOpen = true;
      if (line === END || line === '') continue;
      if (!line.startsWith('# ')) {
        family.samples.push(withLabel(line, `process="${process}"`));
        continue;
      }
      const [, kind, name = ''] = line.split(' ', 3);
      // HELP is the first line of a metric.
      if (kind === 'HELP') {
        isNew = !families.has(name);
        family = families.get(name) ?? { head: [], samples: [] };
        families.set(name, family);
      }
      if (isNew) family.head.push(line);
    }
  }
  const lines = [...families.values()].flatMap(({ head, samples }) => [...head, ...samples]);
  return `${[...lines, ...(isOpen ? [END] : [])].join('\n')}\n`;
}

/** `name{a="b"} 1` or `name 1` with one more label. */
function withLabel(sample: string, label: string): string {
  const at = sample.search(/[{ ]/);
  const rest = sample.slice(at + 1);
  return sample[at] === '{' ? `${sample.slice(0, at)}{${label},${rest}` : `${sample.slice(0, at)}{${label}} ${rest}`;
}
