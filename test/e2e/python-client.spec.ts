import { execFile, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { fixturePath } from '@sconce/testing';
import { startStack, type Stack } from '../support/stack.ts';

// The tests of the Python package, against the built system. They need Python and nothing that is installed beside it; those of NumPy,
// pandas, polars and PyTorch run where these are.

const PACKAGE = fileURLToPath(new URL('../../clients/python/', import.meta.url));
const PYTHON = process.env['SCONCE_TEST_PYTHON'] ?? 'python3';
const OLDEST = 'import sys; sys.exit(sys.version_info < (3, 10))';

describe.skipIf(spawnSync(PYTHON, ['-c', OLDEST]).status !== 0)('the Python package', () => {
  let stack: Stack;

  beforeAll(async () => {
    stack = await startStack();
  });

  it('passes its tests on a server', async () => {
    const env = {
      ...process.env,
      PYTHONPATH: join(PACKAGE, 'src'),
      PYTHONDONTWRITEBYTECODE: '1',
      SCONCE_URL: stack.url,
      SCONCE_FIXTURES: dirname(fixturePath('affine')),
    };
    const args = ['-W', 'error::ResourceWarning', '-m', 'unittest', 'discover', '-s', 'tests', '-t', '.'];
    // It fails with what the tests print.
    const { stderr } = await promisify(execFile)(PYTHON, args, { cwd: PACKAGE, env });
    expect(stderr).toMatch(/\nOK/);
  });
});
