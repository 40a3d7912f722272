export { oneByteMutants, validDatasets, type Mutant, type ValidDataset } from './mutants.ts';
