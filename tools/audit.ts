/**
 * Asks the registry for known vulnerabilities of what is handed on: `npm run audit`, and part of `npm run verify`. Fails for those that are
 * high or critical. A registry that does not answer such questions (mirrors, proxies) is said to, and passes.
 */
import { execFile } from 'node:child_process';
import { pathToFileURL } from 'node:url';

/** Advisories that do not concern us, and why. */
const ACCEPTED: Readonly<Record<string, string>> = {};

const TIMEOUT_MS = 60_000;
const FAILING: ReadonlySet<string> = new Set(['high', 'critical']);

interface Advisory {
  readonly url?: string;
  readonly title?: string;
  readonly severity?: string;
}

interface Report {
  readonly message?: string;
  readonly vulnerabilities?: Readonly<
    Record<string, { readonly name: string; readonly range: string; readonly via: readonly (Advisory | string)[] }>
  >;
}

/** What a report of `npm audit --json` comes to. */
export function judge(
  text: string,
  accepted: Readonly<Record<string, string>> = ACCEPTED,
): { readonly exitCode: 0 | 1; readonly lines: readonly string[] } {
  const report = parse(text);
  if (report?.vulnerabilities === undefined) {
    const reason = report?.message ?? (text.trim().split('\n')[0] || 'no answer');
    return { exitCode: 0, lines: [`Vulnerabilities were NOT looked up: the registry could not be asked (${reason}).`] };
  }
  const found = Object.values(report.vulnerabilities).flatMap(({ name, range, via }) =>
    via.flatMap((advisory) =>
      typeof advisory === 'string' ||
      !FAILING.has(advisory.severity ?? '') ||
      accepted[advisory.url ?? ''] !== undefined
        ? []
        : [`${advisory.severity}: ${name} ${range}: ${advisory.title ?? ''} ${advisory.url ?? ''}`],
    ),
  );
  if (found.length === 0) return { exitCode: 0, lines: ['No high or critical vulnerabilities are known.'] };
  const hint = 'Update what brings them in, or say in tools/audit.ts why they do not concern us.';
  return { exitCode: 1, lines: [...found, hint] };
}

function parse(text: string): Report | undefined {
  try {
    return JSON.parse(text) as Report;
  } catch {
    return undefined;
  }
}

async function audit(): Promise<string> {
  return new Promise((resolve) => {
    // It exits with 1 where it finds something, and says so on stdout all the same.
    execFile(
      'npm',
      ['audit', '--json', '--omit=dev'],
      { timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 ** 2 },
      (error, out) => resolve(out === '' ? (error?.message ?? '') : out),
    );
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { exitCode, lines } = judge(await audit());
  for (const line of lines) (exitCode === 0 ? process.stdout : process.stderr).write(`${line}\n`);
  process.exitCode = exitCode;
}
