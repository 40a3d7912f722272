import { Controller, Delete, Get, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { fileListQuerySchema, type DeletedFile, type File, type List } from '@sconce/contracts';
import { BatchProducer } from '@sconce/queue';
import { STREAM_BODY } from '../http/body-parser.ts';
import { listResource, readQuery } from '../http/list-query.ts';
import { sendContent } from '../http/send-content.ts';
import { FileContents } from './file-contents.ts';
import { toFileResource } from './file-resource.ts';
import { receiveFile } from './file-upload.ts';

/** Files as OpenAI's clients handle them: datasets and results of batches. */
@Controller('v1/files')
export class FilesController {
  constructor(
    @Inject(BatchProducer) private readonly producer: BatchProducer,
    @Inject(FileContents) private readonly contents: FileContents,
  ) {}

  @Post()
  @RouteConfig(STREAM_BODY)
  async create(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const file = await receiveFile(request, this.producer);
    void reply.status(200).send(toFileResource(file));
  }

  @Get()
  async list(@Query() query: unknown): Promise<List<File>> {
    const { files, more } = await this.producer.files(readQuery(query, fileListQuerySchema));
    return listResource(files.map(toFileResource), more);
  }

  @Get(':id')
  async get(@Param('id') id: string): Promise<File> {
    return toFileResource(await this.producer.file(id));
  }

  @Get(':id/content')
  async content(@Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    const file = await this.producer.file(id);
    sendContent(reply, await this.contents.open(file), file);
  }

  @Delete(':id')
  async remove(@Param('id') id: string): Promise<DeletedFile> {
    await this.producer.deleteFile(id);
    return { id, object: 'file', deleted: true };
  }
}
