/**
 * Asks the registry for known vulnerabilities of the packages that users get: `npm run audit`, and part of `npm run verify`. It fails when one
 * is high or critical. Some registries (mirrors, proxies) cannot answer: then it prints so, and passes.
 */
import { execFile } from 'node:child_process';
import { pathToFileURL } from 'node:url';

/** Addresses of advisories that do not affect Sconce, each with the reason. */
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

/** Reads a report of `npm audit --json`: the exit code, and the lines to print. */
export function readAuditReport(
  text: string,
  accepted: Readonly<Record<string, string>> = ACCEPTED,
): { readonly exitCode: 0 | 1; readonly lines: readonly string[] } {
  const report = parse(text);
  if (report?.vulnerabilities === undefined) {
    const reason = report?.message ?? (text.trim().split('\n')[0] || 'no answer');
    return { exitCode: 0, lines: [`Vulnerabilities were NOT looked up: the registry gave no report (${reason}).`] };
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
  const hint = 'Update the packages that bring them in, or say in tools/audit.ts why they do not affect Sconce.';
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
    // npm exits with 1 when it finds something; the report is on stdout all the same.
    execFile(
      'npm',
      ['audit', '--json', '--omit=dev'],
      { timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 ** 2 },
      (error, out) => resolve(out === '' ? (error?.message ?? '') : out),
    );
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { exitCode, lines } = readAuditReport(await audit());
  for (const line of lines) (exitCode === 0 ? process.stdout : process.stderr).write(`${line}\n`);
  process.exitCode = exitCode;
}
