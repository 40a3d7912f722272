import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { inProcess, median } from '../support/in-process.ts';
import type { BarePlan, BareReport } from './bare-loop.ts';
import { repeatRow, type BenchModel } from './models.ts';

/** One model in ONNX Runtime with our settings and in PyTorch: rows per second, each at its best settings. */
export interface TorchFigures {
  readonly name: string;
  readonly ours: number;
  readonly eager: number;
  readonly torchscript: number;
  /** The settings of each. */
  readonly settings: Readonly<Record<'ours' | 'eager' | 'torchscript', string>>;
  /** Our rate divided by each other's; median of the ratios of all rounds. */
  readonly overEager: number;
  readonly overTorchscript: number;
}

/** One way to run a model. `threads`: for us sessions at once, for PyTorch its threads. */
interface Setting {
  readonly form: 'ours' | 'eager' | 'eager-channels-last' | 'torchscript' | 'torchscript-frozen';
  readonly threads: number;
  readonly intraOp: number;
  readonly batch: number;
}

const BATCHES = [1, 8, 32, 128] as const;
/** Fewer rows for images: they are large, and no form is faster with more rows. */
const IMAGE_BATCHES = [1, 4, 16] as const;
const SWEEP_SECONDS = 0.4;
const IMAGES = /resnet|mobilenet/;

/** Finds the best settings of each runtime by a sweep, then measures these in turn. */
export async function measureTorch(options: {
  readonly python: string;
  readonly models: string;
  readonly list: readonly BenchModel[];
  readonly cores: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly onProgress: (text: string) => void;
}): Promise<readonly TorchFigures[]> {
  const torch = startTorch(options.python, options.models);
  try {
    const figures: TorchFigures[] = [];
    for (const model of options.list) {
      figures.push(await measureModel(model, { ...options, torch }));
    }
    return figures;
  } finally {
    await torch.stop();
  }
}

type Torch = ReturnType<typeof startTorch>;

async function measureModel(
  model: BenchModel,
  options: Parameters<typeof measureTorch>[0] & { readonly torch: Torch },
): Promise<TorchFigures> {
  const { cores, rounds, seconds, torch, onProgress } = options;
  const run = (setting: Setting, forSeconds: number): Promise<number> =>
    setting.form === 'ours' ? runOurs(model, setting, forSeconds) : torch.run(model.name, setting, forSeconds);
  const best = async (forms: readonly Setting['form'][], splits: readonly (readonly [number, number])[]) => {
    let winner: { setting: Setting; rate: number } | undefined;
    for (const form of forms) {
      for (const [threads, intraOp] of splits) {
        for (const batch of IMAGES.test(model.name) ? IMAGE_BATCHES : BATCHES) {
          onProgress(`${model.name}: ${form}, ${threads} × ${intraOp}, ${batch} rows`);
          const setting = { form, threads, intraOp, batch };
          const rate = await run(setting, SWEEP_SECONDS);
          if (winner === undefined || rate > winner.rate) winner = { setting, rate };
        }
      }
    }
    if (winner === undefined) throw new Error('nothing was measured');
    return winner.setting;
  };
  const own: readonly (readonly [number, number])[] = [[1, 1], ...(cores > 1 ? [[1, cores] as const] : [])];
  const settings = {
    ours: await best(
      ['ours'],
      [
        [cores, 1],
        [1, cores],
      ],
    ),
    eager: await best(IMAGES.test(model.name) ? ['eager', 'eager-channels-last'] : ['eager'], own),
    torchscript: await best(['torchscript', 'torchscript-frozen'], own),
  };
  const rates = { ours: [] as number[], eager: [] as number[], torchscript: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    onProgress(`${model.name} against PyTorch: round ${round + 1} of ${rounds}`);
    for (const who of ['ours', 'eager', 'torchscript'] as const) rates[who].push(await run(settings[who], seconds));
  }
  const ratio = (to: readonly number[]): number => median(rates.ours.map((rate, round) => rate / (to[round] ?? NaN)));
  const text = ({ form, threads, intraOp, batch }: Setting): string =>
    `${form === 'ours' ? '' : `${form}, `}${threads} × ${intraOp}, ${batch} rows`;
  return {
    name: model.name,
    ours: median(rates.ours),
    eager: median(rates.eager),
    torchscript: median(rates.torchscript),
    settings: { ours: text(settings.ours), eager: text(settings.eager), torchscript: text(settings.torchscript) },
    overEager: ratio(rates.eager),
    overTorchscript: ratio(rates.torchscript),
  };
}

async function runOurs(model: BenchModel, { threads, intraOp, batch }: Setting, seconds: number): Promise<number> {
  const plan: BarePlan = {
    path: model.onnx,
    inputs: repeatRow(model.row, batch),
    rows: batch,
    threads,
    intraOp,
    seconds: Math.max(1, seconds),
  };
  return (await inProcess<BareReport>(new URL('bare-loop.ts', import.meta.url), plan)).rowsPerSecond;
}

/** A PyTorch process that makes one measurement after the other. */
function startTorch(python: string, models: string) {
  const script = fileURLToPath(new URL('../peers/torch_speed.py', import.meta.url));
  const child = spawn(python, [script, models, '--follow'], { stdio: ['pipe', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill());
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    run: async (model: string, { form, intraOp: threads, batch }: Setting, seconds: number): Promise<number> => {
      child.stdin.write(`${JSON.stringify({ model, form, threads, batch, seconds })}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error('torch_speed.py ended');
      return (JSON.parse(value) as { rowsPerSecond: number }).rowsPerSecond;
    },
    stop: async (): Promise<void> => {
      const exited = once(child, 'exit');
      child.stdin.end();
      await exited;
    },
  };
}
